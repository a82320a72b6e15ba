import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { OutputPart, TableProfile } from '../../adapters/tables.ts';
import type { FileTransformResult } from '../../contracts/files/transform.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { MadeFile } from '../../store/files/made.ts';
import type { TransformRow } from '../../store/files/transforms.ts';
import type { Store } from '../../store/index.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import { objectNameOf } from './core.ts';
import { profilePage } from './profile-page.ts';
import { removeParts } from './remove-parts.ts';
import { type FileTransformDeps, loadJob, orCancelled, overtaken, planOf, rejected, type TransformJob } from './transform-job.ts';
import { mediaTypeOf, outputNames, outputOf, partName, partPrefix } from './transform-names.ts';

const MAX_SHOWN_COLUMNS = 50;

/** The result, without what comes from the file itself. */
type TransformFacts = Omit<FileTransformResult, 'columns'>;

/** The end of a transform: one file of all parts, or nothing of it. */
export function createTransformEnding(deps: FileTransformDeps, store: Store) {
  /** Puts the parts together and shows the new files, all at once. Safe to repeat. */
  async function finishTransform({ run }: { readonly run: RunRef }): Promise<TransformFacts> {
    return withHeartbeat(() =>
      orCancelled(async (signal) => {
        const job = await loadJob(deps, run);
        return deps.slots.use(1, signal, () => finish(deps, job, signal));
      }),
    );
  }

  /** Removes the parts and the ledger and, when the work did not succeed, what it may have made. Safe to repeat. */
  async function discardTransform({
    run,
    hasSucceeded,
  }: {
    readonly run: RunRef;
    readonly hasSucceeded: boolean;
  }): Promise<{ readonly removed: number }> {
    return withHeartbeat(async () => {
      let removed = 0;
      if (!hasSucceeded) {
        for (const fileId of await store.files.made.withdraw(run)) {
          await deps.storage.delete(objectNameOf({ tenantId: run.tenantId, fileId }));
          removed += 1;
        }
      }
      removed += await removeParts(deps.storage, partPrefix(run));
      await store.files.transforms.forget(run);
      return { removed };
    });
  }

  return { finishTransform, discardTransform };
}

async function finish(deps: FileTransformDeps, job: TransformJob, signal: AbortSignal): Promise<TransformFacts> {
  const { run, transform, input, chunks } = job;
  const names = outputNames(input, job.file.name, outputOf(input));
  const output = await putOutput(deps, job, { name: names.output, signal });
  const files: MadeFile[] = [{ ...output, columns: shownColumns(transform) }];
  const rejectParts = chunks
    .filter(({ has_rejects }) => has_rejects)
    .map((chunk) => partName(run, transform, { ...chunk, what: 'rejects' }));
  const rejects =
    rejectParts.length === 0 ? undefined : { id: transform.rejects_id, name: names.rejects, mediaType: 'application/x-ndjson' };
  if (rejects !== undefined) files.push(await put(deps, run, { ...rejects, content: joined(deps, rejectParts), signal }));
  if (input.profile === true) {
    const profile = await profileOf(deps, job, { objectName: output.objectName, signal });
    const json = { id: transform.profile_id, name: names.profile, mediaType: 'application/json' };
    const page = { id: transform.page_id, name: names.page, mediaType: 'text/html' };
    files.push(await put(deps, run, { ...json, content: textOf(JSON.stringify(profile, undefined, 2)), signal }));
    files.push(await put(deps, run, { ...page, content: textOf(profilePage(output.name, profile)), signal }));
  }
  const { quotaBytes } = deps.transforms;
  const published = await deps.store.files.made.publish({ run, files, ownerSubject: job.file.owner_subject, quotaBytes });
  if (published === 'overtaken') throw overtaken();
  if (published === 'quota_exceeded') throw rejected('The new file does not fit in what this tenant may keep.');
  return resultOf(job, output, { hasRejects: rejects !== undefined });
}

interface Ending {
  readonly name: string;
  readonly signal: AbortSignal;
}

async function putOutput(deps: FileTransformDeps, job: TransformJob, { name, signal }: Ending): Promise<MadeFile> {
  const { run, input, transform, chunks } = job;
  const to = outputOf(input);
  const columns = planOf(transform)?.columns ?? [];
  const partNames = chunks.filter(({ has_part }) => has_part).map((chunk) => partName(run, transform, { ...chunk, what: 'part' }));
  if (partNames.length === 0 && to.format === 'parquet') partNames.push(await putEmptyPart(deps, job, signal));
  const parts = await Promise.all(partNames.map((partNamed) => partOf(deps, partNamed)));
  const content = deps.tables.join(parts, to, columns);
  return put(deps, run, { id: transform.output_id, name, mediaType: mediaTypeOf(to), content, signal });
}

async function putEmptyPart(
  { tables, storage }: FileTransformDeps,
  { run, input, transform }: TransformJob,
  signal: AbortSignal,
): Promise<string> {
  await using work = await tables.open({ threads: 1 });
  const name = partName(run, transform, { number: 0, end_byte: 0, what: 'part' });
  const path = await work.empty({ columns: planOf(transform)?.columns ?? [], to: outputOf(input), signal });
  await storage.putFile(name, path, { signal });
  return name;
}

interface NewFile {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly content: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

async function put({ storage }: FileTransformDeps, run: RunRef, { content, signal, ...file }: NewFile): Promise<MadeFile> {
  const objectName = objectNameOf({ tenantId: run.tenantId, fileId: file.id });
  return { ...file, objectName, ...(await storage.put(objectName, content, { signal })) };
}

async function partOf({ storage }: FileTransformDeps, name: string): Promise<OutputPart> {
  const found = await storage.stat(name);
  if (found === undefined) throw new Error('a part of the output is gone');
  const { sizeBytes } = found;
  return {
    sizeBytes,
    async *read(firstByte = 0, lastByte = sizeBytes - 1) {
      const opened = await storage.get(name, { firstByte, lastByte });
      if (opened === undefined) throw new Error('a part of the output is gone');
      try {
        yield* opened.body as AsyncIterable<Uint8Array>;
      } finally {
        opened.body.destroy();
      }
    },
  };
}

async function* joined(deps: FileTransformDeps, names: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const name of names) yield* (await partOf(deps, name)).read();
}

async function* textOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text.toWellFormed());
}

interface Profiling {
  readonly objectName: string;
  readonly signal: AbortSignal;
}

/** From a copy on this machine: the engine reads no other folder than its own. */
async function profileOf(
  { tables, storage }: FileTransformDeps,
  { input, transform }: TransformJob,
  { objectName, signal }: Profiling,
): Promise<TableProfile> {
  await using work = await tables.open({ threads: 1 });
  const opened = await storage.get(objectName);
  if (opened === undefined) throw new Error('the output is gone');
  const path = work.pathOf('output');
  await pipeline(opened.body, createWriteStream(path), { signal });
  return await work.profile({ paths: [path], to: outputOf(input), columns: planOf(transform)?.columns ?? [], signal });
}

/** Names may be those of people, where a table has no header: they are kept with the file, and no history has them. */
function shownColumns(transform: TransformRow): MadeFile['columns'] {
  const columns = planOf(transform)?.columns ?? [];
  return columns.length > MAX_SHOWN_COLUMNS ? undefined : columns.map(({ name, type }) => ({ name, type }));
}

function resultOf(job: TransformJob, output: MadeFile, { hasRejects }: { readonly hasRejects: boolean }): TransformFacts {
  const { transform, chunks, input } = job;
  const contentOf = (row: keyof Pick<TransformRow, 'output_id' | 'rejects_id' | 'profile_id' | 'page_id'>): string =>
    `/v1/files/${transform[row]}/content`;
  const sum = (of: 'rows' | 'rejected'): number => chunks.reduce((total, chunk) => total + chunk[of], 0);
  return {
    fileId: output.id,
    rows: sum('rows'),
    rejected: sum('rejected'),
    ...(hasRejects ? { rejectsFileId: transform.rejects_id } : {}),
    ...(input.profile === true ? { profileFileId: transform.profile_id, profilePageFileId: transform.page_id } : {}),
    sizeBytes: output.sizeBytes,
    sha256: output.sha256,
    links: {
      file: `/v1/files/${output.id}`,
      content: contentOf('output_id'),
      ...(hasRejects ? { rejects: contentOf('rejects_id') } : {}),
      ...(input.profile === true ? { profile: contentOf('profile_id'), profilePage: contentOf('page_id') } : {}),
    },
  };
}
