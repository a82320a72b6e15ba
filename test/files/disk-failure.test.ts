import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DuckDBConnection } from '@duckdb/node-api';
import { diskFailure } from '../../src/activities/files/disk-failure.ts';
import { Session } from '../../src/adapters/tables/session.ts';

const { signal } = new AbortController();
/** A device that is always full. */
const FULL = '/dev/full';

function caught(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail('it worked'),
    (error: unknown) => error,
  );
}

/** What comes of a statement that reads a file which is not there. */
async function ofEngine(): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-disk-'));
  try {
    await using session = await Session.open(join(folder, 'work'), 1);
    return await caught(session.rows(`SELECT * FROM read_csv('${session.pathOf('missing')}')`, signal));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('a disk that fails a transform', () => {
  it('is tried again for some time, and then named as what ends it', async (t) => {
    const unreadable = await ofEngine();
    // As it says it in a folder on a full disk; it follows no link to one, and a test can make none.
    const said = 'IO Error: Could not write file "/srv/tables/part": No space left on device';
    t.mock.method(DuckDBConnection.prototype, 'stream', () => Promise.reject(new Error(said)));
    const full = await ofEngine();
    for (const [error, message] of [
      [full, /is full.*tried 24 times/],
      [await caught(writeFile(FULL, 'x')), /is full/],
      [unreadable, /can not be read/],
    ] as const) {
      assert.equal(diskFailure(error, 1), undefined);
      assert.equal(diskFailure(error, 23), undefined);
      const failure = diskFailure(error, 24);
      assert.deepEqual([failure?.type, failure?.nonRetryable], ['DiskFailed', true]);
      assert.match(failure?.message ?? '', message);
      assert.doesNotMatch(failure?.message ?? '', /\//, 'no path is shown');
    }
  });

  it('is no other failure', () => {
    for (const error of [new Error('x'), Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'x', undefined])
      assert.equal(diskFailure(error, 1_000), undefined);
  });
});
