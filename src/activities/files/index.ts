import { createFileChecking } from './checking.ts';
import { createFileCore, type FileCoreDeps } from './core.ts';
import { createFileStoring, type FileStoringDeps } from './storing.ts';
import type { FileCheckingDeps } from './checking.ts';

export type FileActivityDeps = FileCoreDeps & FileStoringDeps & FileCheckingDeps;

/** Those that run on `core` as local activities. */
export const createFileCoreActivities = createFileCore;

/** Those that need the disk or the processor, on `files`. */
export function createFileActivities(deps: FileActivityDeps) {
  return { ...createFileStoring(deps), ...createFileChecking(deps) };
}

export type FileCoreActivities = ReturnType<typeof createFileCoreActivities>;
export type FileActivities = ReturnType<typeof createFileActivities>;
export type { FileToProcess } from './core.ts';
