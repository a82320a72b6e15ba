import { Context } from '@temporalio/activity';
import { uuidv7 } from 'uuidv7';
import type { CutChunk, TablePlan, TableWork } from '../../adapters/tables.ts';
import { COLUMN_TYPES } from '../../contracts/files/transform.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { Store } from '../../store/index.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import { createProgress } from '../lib/progress.ts';
import { createTransformEnding } from './transform-ending.ts';
import { openInput, type TransformInput } from './transform-input.ts';
import { type FileTransformDeps, loadJob, orCancelled, overtaken, planOf, rejected, type TransformJob } from './transform-job.ts';
import { formatOf, outputOf, partName } from './transform-names.ts';
import { stepMs } from './transform-steps.ts';

export function createFileTransforms(deps: FileTransformDeps) {
  const { store, slots, tables } = deps;

  /**
   * Transforms chunks, each of which is in the ledger once its part is in storage; goes on where the ledger ends. Heartbeats; a cancel stops it
   * in the middle of a chunk.
   */
  async function transformFile({ run }: { readonly run: RunRef }): Promise<{ readonly isDone: boolean }> {
    return withHeartbeat(() =>
      orCancelled(async (signal) => {
        const job = await loadJob(deps, run);
        if (job.chunks.at(-1)?.is_last === true) return { isDone: true };
        return slots.use(1, signal, async () => {
          await using work = await tables.open({ threads: 1 });
          return await transformChunks(deps, { job, work, signal });
        });
      }),
    );
  }

  return { transformFile, ...createTransformEnding(deps, store) };
}

interface Running {
  readonly job: TransformJob;
  readonly work: TableWork;
  readonly signal: AbortSignal;
}

async function transformChunks(deps: FileTransformDeps, running: Running): Promise<{ readonly isDone: boolean }> {
  const { job, work, signal } = running;
  const startedAt = performance.now();
  const source = await openInput(deps, job.bytes, { encoding: job.input.from?.encoding, signal });
  const plan = planOf(job.transform) ?? (await makePlan(deps, running, source));
  const last = job.chunks.at(-1);
  const place = { firstByte: last?.end_byte ?? plan.firstByte, firstLine: last?.end_line ?? plan.firstLine };
  const progress = createProgress(deps.store.streams, job.run, { total: source.sizeBytes, unit: 'bytes' });
  let number = job.chunks.length;
  let rejectedSoFar = job.chunks.reduce((total, chunk) => total + chunk.rejected, 0);
  let arrivedAt: number | undefined;
  for await (const chunk of work.cut({ open: source.open, plan, ...place, chunkBytes: deps.transforms.chunkBytes })) {
    signal.throwIfAborted();
    arrivedAt ??= performance.now();
    const step = { chunk, plan, number, rejectedSoFar };
    rejectedSoFar += await recorded(deps.store, { run: job.run, number }, () => transformChunk(deps, running, step));
    await progress.report(source.readBytes());
    if (chunk.isLast) return { isDone: true };
    if (performance.now() - arrivedAt > stepMs(arrivedAt - startedAt)) break;
    number += 1;
  }
  return { isDone: false };
}

async function makePlan({ store }: FileTransformDeps, { job, work, signal }: Running, source: TransformInput): Promise<TablePlan> {
  const { from, columns } = job.input;
  const format = formatOf(job.input, job.file);
  if (format === undefined) throw rejected('Nothing says what the file is written in. Name `from.format`.');
  const described = columns?.map(({ name, type }) => ({ name, type: COLUMN_TYPES[type] }));
  const wish = { format, delimiter: from?.delimiter, hasHeader: from?.header ?? true, columns: described };
  const plan = await work.inspect(source.open, wish, signal);
  if (!(await store.files.transforms.setPlan(job.transform, plan))) throw overtaken();
  return plan;
}

interface NumberedChunk {
  readonly chunk: CutChunk;
  readonly plan: TablePlan;
  readonly number: number;
  /** Records, in the chunks before. */
  readonly rejectedSoFar: number;
}

/** Gives how many records of it were rejected. */
async function transformChunk(
  { store, storage, transforms: { maxRejects } }: FileTransformDeps,
  { job, work, signal }: Running,
  { chunk, plan, number, rejectedSoFar }: NumberedChunk,
): Promise<number> {
  const { run, transform } = job;
  const end = { number, end_byte: chunk.endByte };
  const rejects = { left: Math.max(0, maxRejects - rejectedSoFar), of: maxRejects };
  const { path, rows, rejected: rejectedRows, rejectsPath } = await work.convert({ chunk, plan, to: outputOf(job.input), rejects, signal });
  if (path !== undefined) await storage.putFile(partName(run, transform, { ...end, what: 'part' }), path, { signal });
  if (rejectsPath !== undefined) await storage.putFile(partName(run, transform, { ...end, what: 'rejects' }), rejectsPath, { signal });
  const isKept = await store.files.transforms.finishChunk(transform, {
    ...end,
    first_byte: chunk.firstByte,
    first_line: chunk.firstLine,
    end_line: chunk.endLine,
    is_last: chunk.isLast,
    rows,
    rejected: rejectedRows,
    has_part: path !== undefined,
    has_rejects: rejectsPath !== undefined,
  });
  if (!isKept) throw overtaken();
  return rejectedRows;
}

/** Each attempt at a chunk is in the operation's timeline, as steps are: whoever counts them sees what was done again. */
async function recorded<T>(
  store: Store,
  { run, number }: { readonly run: RunRef; readonly number: number },
  work: () => Promise<T>,
): Promise<T> {
  const entry = {
    id: uuidv7(),
    tenantId: run.tenantId,
    operationId: run.operationId,
    runId: run.runId,
    activityId: `chunk-${number}`,
    activity: 'transformChunk',
    attempt: Context.current().info.attempt,
    startedAt: new Date(),
  };
  await store.timeline.write(run.tenantId, [entry]);
  const result = await work();
  await store.timeline.write(run.tenantId, [{ ...entry, finishedAt: new Date(), outcome: 'succeeded' }]);
  return result;
}
