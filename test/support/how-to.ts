// Runs the commands of a how-to, block by block in one shell, as somebody who reads it would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { temporalCliPath } from '../../src/embedded/binaries.ts';
import { type Product, startProduct } from './product.ts';

const ROOT = join(import.meta.dirname, '../..');
const DONE = '@@done';

/** What a how-to's commands run against. */
export interface HowTo {
  product(): Product;
  /** Runs a command in their shell. @throws when it failed */
  run(code: string): Promise<string>;
}

/** By section: what its commands must have done, seen over REST; called with what the last one printed. */
export type Checks = Readonly<Record<string, (output: string) => Promise<void> | void>>;

/** A product of the file's own, and one shell. */
export function useHowTo(): HowTo {
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
  return { product: () => product, run: (code) => shell.run(code) };
}

/** One test for each block of commands in the file. */
export function describeHowTo(howTo: HowTo, file: string, checks: Checks): void {
  describe(file, () => {
    const blocks = readBlocks(readFileSync(join(ROOT, file), 'utf8'));

    for (const [index, { section, code }] of blocks.entries()) {
      test(`${section}: ${code.split('\n')[0]}`, async () => {
        const output = await howTo.run(code);
        assert.doesNotMatch(output, /"type":"[^"]*\/problems\//);
        const isLastOfSection = blocks[index + 1]?.section !== section;
        if (isLastOfSection) await checks[section]?.(output);
      });
    }

    test('has commands under each heading that is checked here', () => {
      const sections = new Set(blocks.map((block) => block.section));
      assert.deepEqual(
        Object.keys(checks).filter((section) => !sections.has(section)),
        [],
      );
    });
  });
}

interface Block {
  /** The heading that it is under. */
  readonly section: string;
  readonly code: string;
}

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
