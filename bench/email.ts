import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import { inParallel, TimedClient } from './lib/client.ts';
import { mailOf } from './lib/mails.ts';
import { usageOf, watchPeak } from './lib/process-tree.ts';
import { type Figure, report } from './lib/results.ts';
import { spreadOf } from './lib/stats.ts';
import type { BenchSize } from './start.ts';
import { type BenchWorld, startWorld } from './lib/world.ts';

const RECIPIENTS = 50;
const AT_ONCE = 32;
const BARE = fileURLToPath(new URL('./baseline/bare.ts', import.meta.url));

const Took = z.object({ tookMs: z.number(), cpuMs: z.number() });
const execute = promisify(execFile);

interface Run {
  readonly mailsPerS: number;
  readonly cpuMsPerMail: number;
}

/** Mails a second and CPU a mail, each alone and 50 to a request, against nodemailer without anything around it. */
export async function benchEmail(size: BenchSize): Promise<boolean> {
  await using world = await startWorld(size.tree);
  const client = new TimedClient(world.apiUrl, { connections: AT_ONCE, apiKey: world.product.apiKey });
  const runs: Record<'single' | 'many' | 'bare', Run[]> = { single: [], many: [], bare: [] };
  await productRun(world, client, { mails: 50, recipients: 1 });
  const peak = watchPeak([world.pid]);
  for (let round = 0; round < size.rounds; round += 1) {
    runs.bare.push(await bareRun(world, size.posts));
    runs.single.push(await productRun(world, client, { mails: size.posts, recipients: 1 }));
    runs.many.push(await productRun(world, client, { mails: size.posts, recipients: RECIPIENTS }));
  }
  const peakBytes = peak.stop();
  client.close();
  const ratios = (name: 'single' | 'many', of: (run: Run) => number) =>
    spreadOf(runs[name].map((run, round) => of(run) / of(runs.bare[round] ?? run)));
  const both = (name: 'single' | 'many' | 'bare', title: string): Figure[] => [
    { name: `mails/s, ${title}`, unit: '/s', ...spreadOf(runs[name].map(({ mailsPerS }) => mailsPerS)) },
    { name: `CPU a mail, ${title}`, unit: 'ms', ...spreadOf(runs[name].map(({ cpuMsPerMail }) => cpuMsPerMail)) },
  ];
  const figures: Figure[] = [
    { name: 'mails/s, one recipient a request ÷ bare nodemailer', unit: '÷', ...ratios('single', ({ mailsPerS }) => mailsPerS) },
    { name: `mails/s, ${RECIPIENTS} recipients a request ÷ bare nodemailer`, unit: '÷', ...ratios('many', ({ mailsPerS }) => mailsPerS) },
    { name: 'CPU a mail, one recipient a request ÷ bare nodemailer', unit: '÷', ...ratios('single', ({ cpuMsPerMail }) => cpuMsPerMail) },
    {
      name: `CPU a mail, ${RECIPIENTS} recipients a request ÷ bare nodemailer`,
      unit: '÷',
      ...ratios('many', ({ cpuMsPerMail }) => cpuMsPerMail),
    },
    ...both('single', 'one recipient a request'),
    ...both('many', `${RECIPIENTS} recipients a request`),
    ...both('bare', 'bare nodemailer'),
    { name: 'peak memory of all processes', unit: 'MB', ...spreadOf([peakBytes / 2 ** 20]) },
  ];
  return report('email', figures, { ...size, tree: undefined });
}

async function productRun(
  { sink, pid }: BenchWorld,
  client: TimedClient,
  { mails, recipients }: { readonly mails: number; readonly recipients: number },
): Promise<Run> {
  const requests = Math.ceil(mails / recipients);
  const sent = requests * recipients;
  const cpuBefore = usageOf(pid).cpuMs;
  const startedAt = performance.now();
  const all = sink.reached(sink.mails() + sent);
  await inParallel(requests, AT_ONCE, async (request) => {
    const bcc = Array.from({ length: recipients - 1 }, (_, index) => `m${request}-${index}@example.com`);
    const body = { ...mailOf(request), ...(bcc.length === 0 ? {} : { bcc }) };
    await client.expectOk({ method: 'POST', path: '/v1/emails', body });
  });
  const tookS = ((await all) - startedAt) / 1000;
  return { mailsPerS: sent / tookS, cpuMsPerMail: (usageOf(pid).cpuMs - cpuBefore) / sent };
}

/** Nodemailer in a process of its own, warm. */
async function bareRun({ sink }: BenchWorld, mails: number): Promise<Run> {
  const { stdout } = await execute(process.execPath, [BARE, String(sink.port), String(mails), String(AT_ONCE)]);
  const { tookMs, cpuMs } = Took.parse(JSON.parse(stdout));
  return { mailsPerS: (mails / tookMs) * 1000, cpuMsPerMail: cpuMs / mails };
}
