import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import Stripe from 'stripe';
import { loadLaunchSettings } from '../../src/config.ts';
import { PORT_OFFSETS } from '../../src/embedded/ports.ts';
import type { Ports } from '../../src/embedded/ports.ts';
import { createStack, portWishes } from '../../src/embedded/stack.ts';
import { createStripeTwin } from '../../src/embedded/stripe-twin.ts';
import { Supervisor } from '../../src/embedded/supervisor.ts';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

const OUTSIDE = { DATABASE_URL: 'postgres://app@127.0.0.1:9/db', TEMPORAL_ADDRESS: '127.0.0.1:9' };
const WAIT = { timeoutMs: 60_000 };

const folder = mkdtempSync(join(tmpdir(), 'nightshift-twin-child-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What would run with these settings where payments are offered. */
function stackOf(environment: Record<string, string>, features: readonly string[] = ['email', 'checkout']) {
  const settings = { ...loadLaunchSettings({ ...OUTSIDE, ...environment }), features };
  const ports = Object.fromEntries(Object.entries(PORT_OFFSETS).map(([name, offset]) => [name, 21_000 + offset])) as Ports; // one for each name
  const stack = createStack({ settings, dataDir: folder, ports, modules: { app: 'app.ts', work: undefined } });
  return { stack, wishes: portWishes(settings, undefined).map(({ name }) => name) };
}

async function environmentOf(stack: ReturnType<typeof createStack>, child: string): Promise<Readonly<Record<string, string | undefined>>> {
  const start = await stack.children.find(({ name }) => name === child)?.prepare();
  return start?.environment ?? assert.fail(`${child} does not start.`);
}

describe('the simulator of Stripe', () => {
  it('runs where payments are offered and no account is set, and the product is pointed at it', async () => {
    const { stack, wishes } = stackOf({});
    assert.equal(stack.endpoints.stripeTwin, 'http://127.0.0.1:21010');
    assert.ok(wishes.includes('stripeTwin'));
    assert.ok(stack.children.some(({ name }) => name === 'stripe-twin'));
    const product = await environmentOf(stack, 'app');
    const keys = JSON.parse(readFileSync(join(folder, 'stripe-twin/keys.json'), 'utf8')) as Record<string, string>; // written by the stack
    assert.deepEqual(
      [product['STRIPE_API_KEY'], product['STRIPE_PUBLISHABLE_KEY'], product['STRIPE_WEBHOOK_SECRETS'], product['STRIPE_URL']],
      [keys['secret'], keys['publishable'], keys['webhookSecret'], stack.endpoints.stripeTwin],
    );
    assert.equal((await environmentOf(stackOf({}).stack, 'app'))['STRIPE_API_KEY'], keys['secret'], 'the keys stay');
  });

  it('does not run beside an account of Stripe, nor where no payments are offered, nor with all else outside', async () => {
    const pages = { PAYMENT_RETURN_URL: 'https://shop.example/paid', CART_RECOVERY_URL: 'https://shop.example/cart' };
    const keys = { STRIPE_API_KEY: 'sk_test_mine', STRIPE_PUBLISHABLE_KEY: 'pk_test_mine', STRIPE_WEBHOOK_SECRETS: 'whsec_mine' };
    const account = { ...keys, ...pages };
    for (const { stack, wishes } of [stackOf(account), stackOf({}, ['email']), stackOf({ SMTP_URL: 'smtp://127.0.0.1:9' })]) {
      assert.equal(stack.endpoints.stripeTwin, undefined);
      assert.ok(!wishes.includes('stripeTwin') && !stack.children.some(({ name }) => name === 'stripe-twin'));
    }
    const product = await environmentOf(stackOf(account).stack, 'app');
    assert.deepEqual([product['STRIPE_API_KEY'], product['STRIPE_URL']], ['sk_test_mine', undefined]);
  });

  it('is started again when it dies, with all that it knew', async () => {
    const port = await freePort();
    const dataDir = join(folder, 'supervised');
    const twin = createStripeTwin({ dataDir, port, apiUrl: 'http://127.0.0.1:9', environment: {} });
    const said: string[] = [];
    const supervisor = new Supervisor(dataDir, [twin.spec], (line) => said.push(line));
    await supervisor.start();
    try {
      const stripe = new Stripe(twin.settings['STRIPE_API_KEY'] ?? '', placeOf(twin.url));
      const { id } = await stripe.customers.create({ name: 'Ada' });
      const [running] = JSON.parse(readFileSync(join(dataDir, 'processes.json'), 'utf8')) as { pid: number }[]; // one child was started
      process.kill(running?.pid ?? 0, 'SIGKILL');
      await eventually(() => said.some((line) => line.includes('stripe-twin is back')), WAIT);
      assert.equal((await stripe.customers.retrieve(id)).id, id);
      const { data } = await stripe.webhookEndpoints.list();
      assert.deepEqual(
        data.map(({ url }) => url),
        ['http://127.0.0.1:9/hooks/stripe'],
      );
    } finally {
      await supervisor.stop();
    }
  });
});
