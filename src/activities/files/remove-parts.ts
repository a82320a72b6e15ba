import type { Storage } from '../../adapters/storage.ts';

/** Removes all objects of a prefix. Safe to repeat. Resolves to how many there were. */
export async function removeParts(storage: Pick<Storage, 'list' | 'delete'>, prefix: string): Promise<number> {
  for (let removed = 0; ;) {
    const { objects } = await storage.list({ prefix, limit: 1000 });
    if (objects.length === 0) return removed;
    for (const { name } of objects) await storage.delete(name);
    removed += objects.length;
  }
}
