import type { Storage } from '../../adapters/storage.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { Store } from '../../store/index.ts';
import { objectNameOf } from './core.ts';
import { removeBytes } from './remove-bytes.ts';
import { removeParts } from './remove-parts.ts';
import { outputPrefix, partOf, PARTS_PREFIX } from './transform-names.ts';

const PER_TURN = 100;
/** Whoever keeps the time of an upload gives it up long before. */
const OVERDUE_MS = 600_000; // 10 min
/** The workflow that removes bytes has long done so, unless storage is away. */
const UNREMOVED_MS = 3_600_000; // 1 h

interface SweepParts {
  readonly store: Store;
  readonly storage: Storage;
}

/** Removes what work on files has left that came to no end of its own. Safe to repeat, and in several processes at a time. */
export function createFileSweep({ store, storage }: SweepParts) {
  /** Parts and ledgers of transforms whose last attempt ended before then; a later retry begins anew. `true`: there may be more. */
  async function transforms(endedBefore: Date, now: Date): Promise<boolean> {
    const found = await store.system.files.abandonedTransforms(endedBefore, PER_TURN);
    for (const { tenantId, id } of found) {
      const abandoned = await store.files.made.abandon({ tenantId, id, endedBefore, now });
      // Somebody has retried it in this moment.
      if (abandoned === undefined) continue;
      for (const fileId of abandoned.fileIds) await storage.delete(objectNameOf({ tenantId, fileId }));
      await removeParts(storage, outputPrefix({ tenantId, rootId: id }, abandoned.outputId));
      await store.files.transforms.forgetOutput({ tenantId, id, outputId: abandoned.outputId });
    }
    return found.length === PER_TURN;
  }

  /** Parts that an attempt which stood still has put when their ledger was gone already. */
  async function strayParts(putBefore: Date): Promise<void> {
    for (let after: string | undefined; ;) {
      const { objects, next } = await storage.list({ prefix: PARTS_PREFIX, ...(after === undefined ? {} : { after }) });
      for (const { name, modifiedAt } of objects) {
        const part = partOf(name);
        const isOld = Date.parse(modifiedAt) < putBefore.getTime();
        if (isOld && part !== undefined && !(await store.files.transforms.isOpen(part))) await storage.delete(name);
      }
      if (next === undefined) return;
      after = next;
    }
  }

  /**
   * Gives up uploads whose keeper was ended, and removes bytes whose removal was: what `temporal workflow terminate` leaves. `true`: there
   * may be more.
   */
  async function leftBehind(now: Date): Promise<boolean> {
    const overdue = await store.system.files.overdueUploads(new Date(now.getTime() - OVERDUE_MS), PER_TURN);
    let expired = 0;
    for (const upload of overdue) {
      const file: FileRef = { ...upload, kind: 'upload' };
      // Somebody may be writing to it.
      if ((await store.files.removal.expireIfDue(file, now)).state !== 'expired') continue;
      expired += 1;
      await removeBytes({ store, storage }, file);
    }
    const unremoved = await store.system.files.unremoved(new Date(now.getTime() - UNREMOVED_MS), PER_TURN);
    for (const file of unremoved) await removeBytes({ store, storage }, { ...file, kind: 'fileRemoval' });
    return expired === PER_TURN || unremoved.length === PER_TURN;
  }

  return { temporary: (olderThanMs: number) => storage.sweepTemporary(olderThanMs), transforms, strayParts, leftBehind };
}
