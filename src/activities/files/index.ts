import { createFileChecking } from './checking.ts';
import { createFileCore, type FileCoreDeps } from './core.ts';
import { createFileStoring, type FileStoringDeps } from './storing.ts';
import { createFileTransforms } from './transform.ts';
import type { FileTransformDeps } from './transform-job.ts';
import type { FileCheckingDeps } from './checking.ts';

export type FileActivityDeps = FileCoreDeps & FileStoringDeps & FileCheckingDeps & FileTransformDeps;

/** Those that run on `core` as local activities. */
export const createFileCoreActivities = createFileCore;

/** Those that need the disk or the processor, on `files`. */
export function createFileActivities(deps: FileActivityDeps) {
  return { ...createFileStoring(deps), ...createFileChecking(deps), ...createFileTransforms(deps) };
}

export type FileCoreActivities = ReturnType<typeof createFileCoreActivities>;
export type FileActivities = ReturnType<typeof createFileActivities>;
export type { FileToProcess, TransformToDo } from './core.ts';
