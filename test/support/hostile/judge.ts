import { createAntivirus } from '../../../src/adapters/antivirus.ts';
import { createFileChecker } from '../../../src/adapters/file-checker.ts';

/** What the process that checks is told, one line each. */
export interface JudgeTask {
  readonly path: string;
  readonly sizeBytes: number;
  readonly name: string;
  readonly declaredType?: string;
}

export interface Judged {
  readonly path: string;
  readonly type: string;
  readonly codes: readonly string[];
  readonly tookMs: number;
}

const AT_ONCE = 2;

/** Checks files of this machine, in a process that may write nowhere, and says what it found and how much memory it took. */
async function main(): Promise<void> {
  const checker = createFileChecker({ antivirus: createAntivirus({}) });
  const tasks = (JSON.parse(await readAll()) as JudgeTask[]).values(); // written by the test
  const judged: Judged[] = [];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const task of tasks) {
        const startedAt = performance.now();
        const file = { ...task, declaredType: task.declaredType, sha256: '' };
        const { mediaType, reasons } = await checker.check(file, { signal: new AbortController().signal });
        judged.push({ path: task.path, type: mediaType, codes: reasons.map(({ code }) => code), tookMs: performance.now() - startedAt });
      }
    }),
  );
  process.stdout.write(JSON.stringify({ judged, peakBytes: process.resourceUsage().maxRSS * 1024 }));
}

async function readAll(): Promise<string> {
  return Buffer.concat(await process.stdin.toArray()).toString();
}

await main();
