import { Context } from '@temporalio/activity';
import { createAntivirus } from '../../src/adapters/antivirus.ts';
import { createFileChecker, type FileChecker } from '../../src/adapters/file-checker.ts';
import { createStorage, type Storage } from '../../src/adapters/storage.ts';

/** A step of the work on a file that a test can hold up. */
export type Step = 'store' | 'check' | 'part' | 'join' | 'remove' | 'read';

export interface Gates {
  /** The product's own parts, with the gates before them. */
  around(storageUrl: string): { readonly storage: Storage; readonly checker: FileChecker };
  /** The next time that this step is reached, or after some more, it waits, until it is released or its activity is cancelled. */
  hold(step: Step, after?: number): { readonly reached: Promise<void>; release(): void };
  /** How often a step was begun. */
  begun(step: Step): number;
  /** The next checks fail as if the machine did. */
  failChecks(times: number): void;
}

interface Held {
  /** How often it is passed before. */
  after: number;
  readonly reached: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

export function createGates(): Gates {
  const held = new Map<Step, Held>();
  const counts = { store: 0, check: 0, part: 0, join: 0, remove: 0, read: 0 };
  let failures = 0;

  async function pass(step: Step): Promise<void> {
    counts[step] += 1;
    const gate = held.get(step);
    if (gate === undefined || gate.after-- > 0) return;
    held.delete(step);
    gate.reached.resolve();
    await Promise.race([gate.released.promise, Context.current().cancelled]);
  }

  return {
    around(storageUrl) {
      const storage = createStorage(storageUrl);
      const checker = createFileChecker({ antivirus: createAntivirus({ url: undefined }) });
      const { partials } = storage;
      return {
        storage: {
          ...storage,
          async put(name, content, options) {
            if (name.startsWith('files/')) await pass('join');
            return storage.put(name, content, options);
          },
          async putFile(name, path, options) {
            if (name.startsWith('transforms/')) await pass('part');
            return storage.putFile(name, path, options);
          },
          async get(name, range) {
            await pass('read');
            return storage.get(name, range);
          },
          async delete(name) {
            if (name.startsWith('files/')) await pass('remove');
            return storage.delete(name);
          },
          partials: {
            ...partials,
            read(partial, range) {
              counts.read += 1;
              return partials.read(partial, range);
            },
            async publish(partial, name) {
              await pass('store');
              return partials.publish(partial, name);
            },
          },
        },
        checker: {
          async check(file, options) {
            await pass('check');
            if (failures > 0) {
              failures -= 1;
              throw new Error('a check that failed on order');
            }
            return checker.check(file, options);
          },
        },
      };
    },
    hold(step, after = 0) {
      const gate: Held = { after, reached: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
      held.set(step, gate);
      return { reached: gate.reached.promise, release: gate.released.resolve };
    },
    begun: (step) => counts[step],
    failChecks(times) {
      failures = times;
    },
  };
}
