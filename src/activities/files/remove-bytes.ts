import type { Storage } from '../../adapters/storage.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { Store } from '../../store/index.ts';
import { objectNameOf } from './core.ts';

interface RemovingParts {
  readonly store: Store;
  readonly storage: Storage;
}

/** Removes all bytes of a file that was deleted or of an upload that was given up; false: it is neither. Safe to repeat. */
export async function removeBytes({ store, storage }: RemovingParts, file: FileRef): Promise<boolean> {
  const doomed = await store.files.removal.doomed(file);
  if (doomed === undefined) return false;
  await storage.partials.discard(file.fileId);
  if (doomed.isOurs) await storage.delete(objectNameOf(file));
  await store.files.removal.setRemoved(file);
  return true;
}
