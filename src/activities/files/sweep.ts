import type { Storage } from '../../adapters/storage.ts';
import type { Store } from '../../store/index.ts';
import { objectNameOf } from './core.ts';
import { removeParts } from './remove-parts.ts';
import { outputPrefix, partOf, PARTS_PREFIX } from './transform-names.ts';

const PER_TURN = 100;

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

  return { temporary: (olderThanMs: number) => storage.sweepTemporary(olderThanMs), transforms, strayParts };
}
