// Kills every process of a running product under load, as a user would have it, and counts what arrived.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isRunning } from '../src/embedded/processes.ts';
import { eventually } from './support/eventually.ts';
import { type Product, startProduct } from './support/product.ts';

const MAILS = 60;
const MAX_OPEN = 6;
const RECOVERY_MS = 120_000;
const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'expired', 'unknown']);

const root = mkdtempSync(join(tmpdir(), 'nightshift-kill-test-'));
after(() => rmSync(root, { recursive: true, force: true }));

interface Acknowledged {
  readonly id: string;
  readonly recipients: readonly string[];
}

/** Posts mails with 1 to 3 recipients in a closed loop. Each is repeated under its key until it is acknowledged. */
class Load {
  readonly acknowledged: Acknowledged[] = [];
  /** Requests that had to be repeated. */
  repeats = 0;
  #next = 0;
  #strike: { readonly at: number; readonly act: () => void } | undefined;
  readonly #product: () => Product;
  readonly #name: string;

  constructor(name: string, product: () => Product) {
    this.#name = name;
    this.#product = product;
  }

  /** Posts until `total` mails are acknowledged. */
  async run(total: number): Promise<void> {
    await Promise.all(Array.from({ length: MAX_OPEN }, () => this.#work(total)));
  }

  /** Acts once so many are acknowledged, before the client that heard so posts again: what it posts next meets what was done. */
  strikeAt(at: number, act: () => void): void {
    this.#strike = { at, act };
  }

  async #work(total: number): Promise<void> {
    while (this.#next < total) {
      const ordinal = this.#next;
      this.#next += 1;
      const recipients = Array.from({ length: 1 + (ordinal % 3) }, (_, index) => `${this.#name}-${ordinal}-${index}@example.com`);
      const id = await eventually(() => this.#post(ordinal, recipients), { timeoutMs: RECOVERY_MS, intervalMs: 50 });
      this.acknowledged.push({ id, recipients });
      const strike = this.#strike;
      if (strike === undefined || this.acknowledged.length < strike.at) continue;
      this.#strike = undefined;
      strike.act();
    }
  }

  async #post(ordinal: number, recipients: readonly string[]): Promise<string | undefined> {
    const headers = { 'Idempotency-Key': `${this.#name}-${ordinal}` };
    const body = { to: recipients, subject: `Mail ${ordinal}`, text: 'Once.' };
    try {
      const answer = await this.#product().call('POST', '/v1/emails', { body, headers });
      if (answer.status === 202) return answer.body.id;
      assert.ok(answer.status >= 500, `${answer.status} ${JSON.stringify(answer.body)}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    this.repeats += 1;
    return undefined;
  }
}

/** Each acknowledged mail has ended well, and each recipient has it once. Tells what recovery was needed. */
async function judge(product: Product, load: Load) {
  const seen = { attemptsBeyondFirst: 0, settledByAsking: 0, slowestMs: 0 };
  for (const { id, recipients } of load.acknowledged) {
    const operation = await eventually(
      async () => {
        const { body } = await product.call('GET', `/v1/operations/${id}`);
        return TERMINAL.has(body.status) ? body : undefined;
      },
      { timeoutMs: RECOVERY_MS, intervalMs: 100 },
    );
    assert.equal(operation.status, 'succeeded', JSON.stringify(operation));
    const { body: mail } = await product.call('GET', `/v1/emails/${id}`);
    assert.deepEqual(
      mail.recipients.map((one: { address: string; state: string }) => `${one.address} ${one.state}`),
      recipients.map((address) => `${address} sent`),
    );
    seen.settledByAsking += mail.recipients.filter((one: { smtpCode?: number }) => one.smtpCode === undefined).length;
    const { body: timeline } = await product.call('GET', `/v1/operations/${id}/timeline`);
    const tookMs = Date.parse(operation.finishedAt) - Date.parse(operation.createdAt);
    seen.slowestMs = Math.max(seen.slowestMs, tookMs);
    seen.attemptsBeyondFirst += timeline.data.filter((entry: { attempt: number }) => entry.attempt > 1).length;
  }
  const expected = load.acknowledged.flatMap(({ id, recipients }) => recipients.map((address) => `<${id}@mail.nightshift> ${address}`));
  assert.deepEqual((await product.mailbox()).toSorted(), expected.toSorted());
  return seen;
}

describe('a product whose processes are killed under load', { timeout: 600_000 }, () => {
  test('sends each acknowledged mail once, whichever of them it was', async (context) => {
    await using product = await startProduct(['--ephemeral'], { SETTLE_SWEEP: '1s' });
    const load = new Load('each', () => product);
    const targets = product.processes().map(({ name }) => name);
    assert.deepEqual(targets.toSorted(), ['app', 'mailbox', 'postgres', 'stripe-twin', 'temporal', 'work']);
    const perTarget = MAILS / targets.length;
    for (const [index, target] of targets.entries()) {
      const total = perTarget * (index + 1);
      let [killedAt, acknowledged] = [0, 0];
      load.strikeAt(total - perTarget * 0.7, () => {
        [killedAt, acknowledged] = [performance.now(), load.acknowledged.length];
        product.kill(target);
      });
      await load.run(total);
      await eventually(() => product.output().includes(`${target} is back after`), { timeoutMs: RECOVERY_MS });
      await eventually(async () => (await product.call('GET', '/readyz')).status === 200, { timeoutMs: RECOVERY_MS });
      context.diagnostic(
        `${target} killed after ${acknowledged} mails; all ${total} acknowledged and ready again ${Math.round(performance.now() - killedAt)} ms later`,
      );
    }
    const seen = await judge(product, load);
    context.diagnostic(`${load.acknowledged.length} mails, ${load.repeats} requests repeated, ${JSON.stringify(seen)}`);
    assert.equal(load.acknowledged.length, MAILS);
    assert.ok(load.repeats > 0, 'No request met a killed process: nothing was proven.');
  });

  test('goes on where it was after the supervisor was killed', async (context) => {
    const dataDir = join(root, 'data');
    let product = await startProduct([], { DATA_DIR: dataDir, SETTLE_SWEEP: '1s', FEATURES: 'email' });
    const load = new Load('supervisor', () => product);
    try {
      const posting = load.run(20);
      await eventually(() => load.acknowledged.length >= 5, { timeoutMs: RECOVERY_MS, intervalMs: 1 });
      const before = product.processes();
      const killedAt = performance.now();
      await product.killSupervisor();
      const postingAfter = posting.then(() => load.run(30));
      product = await startProduct([], { DATA_DIR: dataDir, SETTLE_SWEEP: '1s', FEATURES: 'email' });
      context.diagnostic(`ready again ${Math.round(performance.now() - killedAt)} ms after the supervisor was killed`);
      assert.match(product.output(), /The last run on this data was killed/);
      assert.ok(!before.some(isRunning));
      await postingAfter;
      const seen = await judge(product, load);
      context.diagnostic(`${load.acknowledged.length} mails, ${load.repeats} requests repeated, ${JSON.stringify(seen)}`);
      assert.ok(load.repeats > 0);
    } finally {
      await product[Symbol.asyncDispose]();
    }
  });
});
