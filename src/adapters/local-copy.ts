import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { LocalFile, OpenedObject } from './storage.ts';
import { newWorkPath, openWorkFolder } from './work-folder.ts';

interface CopyRequest {
  readonly open: () => Promise<OpenedObject | undefined>;
  readonly workDir: string;
  readonly signal: AbortSignal | undefined;
}

/** A file with the content of what is opened, for as long as a program needs one. Undefined when there is nothing. */
export async function localCopy({ open, workDir, signal }: CopyRequest): Promise<LocalFile | undefined> {
  await openWorkFolder(workDir);
  const found = await open();
  if (found === undefined) return undefined;
  const path = newWorkPath(workDir);
  const remove = (): Promise<void> => rm(path, { force: true });
  try {
    await pipeline(found.body, createWriteStream(path, { mode: 0o600 }), signal === undefined ? {} : { signal });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, sizeBytes: found.sizeBytes, [Symbol.asyncDispose]: remove };
}
