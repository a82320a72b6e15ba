// Runs the commands of docs/email.md, block by block in one shell, as somebody who reads it would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { temporalCliPath } from '../src/embedded/binaries.ts';
import { eventually } from './support/eventually.ts';
import { type Product, startProduct } from './support/product.ts';

const ROOT = join(import.meta.dirname, '..');
const DONE = '@@done';

interface Block {
  /** The heading that it is under. */
  readonly section: string;
  readonly code: string;
}

let product: Product;
let shell: Awaited<ReturnType<typeof startShell>>;

before(async () => {
  product = await startProduct(['--ephemeral'], { SETTLE_SWEEP: '1s' });
  const { api, temporal, temporalNamespace } = product.endpoints;
  shell = await startShell({
    API: api,
    KEY: product.apiKey,
    TEMPORAL_ADDRESS: temporal,
    TEMPORAL_NAMESPACE: temporalNamespace,
    HOME: process.env['HOME'],
    PATH: [dirname(temporalCliPath(process.env)), process.env['PATH']].join(delimiter),
  });
});
after(async () => {
  await shell?.end();
  await product?.[Symbol.asyncDispose]();
});

/** What each section must have done, seen over REST. */
const CHECKS: Readonly<Record<string, (output: string) => Promise<void>>> = {
  Send: async () => {
    const id = await shell.run('echo $ID');
    const { body } = await product.call('GET', `/v1/emails/${id}`);
    assert.equal(body.status, 'succeeded');
    assert.equal((await product.mailbox()).filter((mail) => mail.startsWith(body.messageId)).length, 4);
  },
  Follow: async (output) => {
    assert.match(output, /"status":"succeeded"/);
    assert.match(output, /"activity":"openEmail"/);
    assert.match(output, /event: done/);
  },
  Templates: async (output) => {
    assert.match(output, /Ihre Quittung zur Bestellung A-4711/);
    assert.match(output, /"subject":"Willkommen bei Lovelace Engines, Ada".*"state":"sent"/);
  },
  Attachments: async (output) => assert.match(output, /"sent":1/),
  'Tell somebody how it ended': async () => {
    const told = (await product.mailbox()).filter((mail) => /(ops|grace)@example\.com$/.test(mail));
    assert.equal(told.length, 2);
  },
  'When the mail server is not ready': async () => {
    const id = await shell.run('echo $ID');
    const { body } = await product.call('GET', `/v1/emails/${id}`);
    assert.deepEqual(
      body.recipients.map((one: { state: string }) => one.state),
      ['sent', 'pending'],
    );
  },
  Cancel: async () => assert.equal((await operation()).status, 'cancelled'),
  Retry: async () => {
    const { body } = await product.call('GET', `/v1/emails/${await shell.run('echo $FAILED')}`);
    assert.deepEqual([body.status, body.recipients[0].state], ['succeeded', 'sent']);
    assert.notEqual(body.operationId, body.id);
  },
  'Bulk mail, and people who want none': async (output) => {
    assert.match(output, /"suppressed":1/);
    assert.deepEqual((await product.call('GET', '/v1/suppressions')).body.data, []);
  },
  'With the temporal CLI': async () => assert.equal((await operation()).phase, 'put_off'),
  Look: async (output) => {
    assert.match(output, /Running/);
    assert.match(output, /WorkflowExecutionStarted/);
    assert.match(output, /put_off/);
  },
  Signal: () => shows(({ phase, paused }) => phase === 'paused' && paused === true),
  'Signal: resume': () => shows(({ phase, paused }) => phase === 'put_off' && paused === undefined),
  Terminate: () => shows(({ status, error }) => status === 'failed' && error?.code === 'terminated'),
  Reset: () => shows(({ status }) => status === 'waiting'),
  'Cancel with the CLI': () => shows(({ status }) => status === 'cancelled'),
};

interface Shown {
  readonly status: string;
  readonly phase: string;
  readonly paused?: boolean;
  readonly error?: { readonly code: string };
}

async function operation(): Promise<Shown> {
  return (await product.call('GET', `/v1/operations/${await shell.run('echo $ID')}`)).body;
}

async function shows(holds: (operation: Shown) => boolean): Promise<void> {
  await eventually(
    async () => {
      const shown = await operation();
      assert.ok(holds(shown), JSON.stringify(shown));
      return true;
    },
    { timeoutMs: 20_000, intervalMs: 100 },
  );
}

describe('docs/email.md', () => {
  const blocks = readBlocks(readFileSync(join(ROOT, 'docs/email.md'), 'utf8'));

  for (const [index, { section, code }] of blocks.entries()) {
    test(`${section}: ${code.split('\n')[0]}`, async () => {
      const output = await shell.run(code);
      assert.doesNotMatch(output, /"type":"[^"]*\/problems\//);
      const isLastOfSection = blocks[index + 1]?.section !== section;
      if (isLastOfSection) await CHECKS[section]?.(output);
    });
  }

  test('has commands under each heading that is checked here', () => {
    const sections = new Set(blocks.map((block) => block.section));
    assert.deepEqual(
      Object.keys(CHECKS).filter((section) => !sections.has(section)),
      [],
    );
  });
});

function readBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let section = '';
  for (const [, heading, code] of text.matchAll(/^#+ (.+)$|^```sh\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) section = heading;
    if (code !== undefined) blocks.push({ section, code });
  }
  return blocks;
}

/** One bash in the repository's folder that keeps its variables from block to block. */
async function startShell(environment: Readonly<Record<string, string | undefined>>) {
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd: ROOT, env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(bash.stdout);
  return {
    /** @throws when its last command failed */
    async run(code: string): Promise<string> {
      const output: string[] = [];
      const ended = new Promise<string>((resolve, reject) => {
        const onLine = (line: string): void => {
          const [text = '', status] = line.split(DONE);
          output.push(text);
          if (status === undefined) return;
          lines.off('line', onLine);
          if (status === '0') resolve(output.join('\n').trim());
          else reject(new Error(`It ended with ${status}:\n${code}\n${output.join('\n')}`));
        };
        lines.on('line', onLine);
      });
      bash.stdin.write(`${code}\nprintf '${DONE}%s\\n' "$?"\n`);
      return ended;
    },
    async end(): Promise<void> {
      bash.stdin.end();
      if (bash.exitCode === null) await once(bash, 'exit');
    },
  };
}
