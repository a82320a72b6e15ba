// Who gets the next connection when there are fewer than wanted.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { PoolClient } from 'pg';
import { ConnectionPool } from '../../src/store/connections.ts';
import { useDatabase } from '../support/ground.ts';

const LONG_MS = 60_000;
const SHORT_MS = 20;
/** Steps at once, and transactions in each. */
const STEPS = 30;
const PARTS = 3;
const OTHERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

let url: string;

before(async () => {
  url = (await useDatabase()).databaseUrl;
});

interface Wanting {
  readonly max?: number;
  readonly patienceMs?: number;
  readonly port?: number;
}

/** A pool, and callers of both sorts that note in which order they are served. */
function open({ max = 1, patienceMs = LONG_MS, port }: Wanting = {}) {
  let isStep = false;
  const served: string[] = [];
  const place = port === undefined ? { connectionString: url } : { host: '127.0.0.1', port };
  const pool = new ConnectionPool({ ...place, max, connectionTimeoutMillis: patienceMs }, { isStep: () => isStep });
  const want = (name: string, sort: 'step' | 'other'): Promise<PoolClient> => {
    isStep = sort === 'step';
    return pool.connect().then((client) => {
      served.push(name);
      return client;
    });
  };
  return { pool, served, want, release: async (client: Promise<PoolClient>) => (await client).release() };
}

describe('the line before connections', () => {
  test('lets a step wait for one request, however many came before it, and the last step go first', async () => {
    const { pool, served, want, release } = open();
    const first = await want('first', 'other');
    const requests = ['a', 'b', 'c', 'd'].map((name) => want(name, 'other').then((client) => client.release()));
    const steps = ['1', '2'].map((name) => want(name, 'step').then((client) => client.release()));
    first.release();
    await Promise.all([...requests, ...steps]);
    assert.deepEqual(served, ['first', '2', 'a', '1', 'b', 'c', 'd']);
    await release(want('last', 'step'));
    await pool.end();
  });

  test('brings steps to their ends, rather than all of them half-way, when more come than can be served', async () => {
    const { pool, want } = open();
    const holder = await want('holder', 'other');
    const served: string[] = [];
    const turn = async (name: string, sort: 'step' | 'other'): Promise<void> => {
      const client = await want(name, sort);
      served.push(name);
      client.release();
    };
    const step = async (name: string): Promise<void> => {
      for (let part = 1; part <= PARTS; part += 1) await turn(name, 'step');
    };
    const all = [...Array.from({ length: STEPS }, (_, index) => step(`step ${index}`)), ...OTHERS.map((name) => turn(name, 'other'))];
    holder.release();
    await Promise.all(all);
    const lasted = Array.from({ length: STEPS }, (_, index) => {
      const name = `step ${index}`;
      return served.lastIndexOf(name) - served.indexOf(name) + 1;
    });
    // Its own parts, and the turns of others between them. In one line of them all, a part waits for one part of each of the others.
    assert.ok(Math.max(...lasted) <= 2 * PARTS, lasted.join());
    await pool.end();
  });

  test('hands out as many as there are at once, and counts those that break', async () => {
    const { pool, served, want, release } = open({ max: 2 });
    const both = [await want('a', 'other'), await want('b', 'other')] as const;
    const third = want('c', 'step');
    both[0].release(new Error('It broke.'));
    await release(third);
    both[1].release();
    await release(want('d', 'other'));
    assert.deepEqual(served, ['a', 'b', 'c', 'd']);
    await pool.end();
  });

  test('is left by whoever has waited for long enough', async () => {
    const { pool, want, release } = open({ patienceMs: SHORT_MS });
    const holder = await want('holder', 'other');
    await assert.rejects(want('impatient', 'step'), /timeout exceeded when trying to connect/);
    holder.release();
    await release(want('next', 'step'));
    await pool.end();
  });

  test('goes on when the database is away: each is told, and none keeps a place', async () => {
    const { pool, want } = open({ port: 1 });
    const all = await Promise.allSettled(['a', 'b', 'c'].map((name) => want(name, 'other')));
    assert.deepEqual(
      all.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    );
    await pool.end();
  });
});
