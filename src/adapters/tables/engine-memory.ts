import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** Of the engine's threads, by turns, since it only does it when their number changes. */
const THREADS = [2, 1] as const;

let spare: Promise<DuckDBConnection> | undefined;
let last: Promise<void> = Promise.resolve();

/**
 * Gives memory that the engine has freed back to the system. Left to themselves its allocator and that of the C library keep it for each thread
 * that took a turn, which comes to several times of what one statement takes. There is no statement for it, and sessions are locked: an instance
 * without tables is told to use more threads, at which the engine gives back what all instances have freed.
 */
export function giveEngineMemoryBack(): Promise<void> {
  const next = last.then(changeThreads);
  // One that failed must not fail those that come after.
  last = next.catch(() => {
    spare = undefined;
  });
  return next;
}

async function changeThreads(): Promise<void> {
  spare ??= DuckDBInstance.create(':memory:', { threads: '1', enable_external_access: 'false' }).then((instance) => instance.connect());
  const connection = await spare;
  for (const threads of THREADS) await connection.run(`SET threads = ${threads}`);
}
