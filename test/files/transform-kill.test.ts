// A transform in the product as a user runs it, while its worker is killed.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { FileTransformResult } from '../../src/contracts/files/transform.ts';
import { type Product, startProduct } from '../support/product.ts';
import { holds } from './world.ts';

const ROWS = 300_000;
/** Every so many rows one has no number, and one has a field too many. */
const FAULT_EVERY = 10_007;
const KILLS = 3;
const CHUNKS_BETWEEN = 2;
const COLUMNS = [
  { name: 'id', type: 'integer' },
  { name: 'name', type: 'text' },
  { name: 'value', type: 'number' },
];

let product: Product;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nightshift-transform-'));
  product = await startProduct(['--ephemeral'], { SETTLE_SWEEP: '1s', TRANSFORM_CHUNK_BYTES: String(1024 * 1024) });
});
after(async () => {
  await product?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Fault {
  readonly line: number;
  readonly column: string | undefined;
  readonly code: string;
}

/** Quoted newlines in every row, so that lines and records are not the same. */
function makeTable(): { readonly csv: string; readonly clean: string; readonly faults: readonly Fault[] } {
  const rows: string[] = [];
  const clean: string[] = [];
  const faults: Fault[] = [];
  for (let index = 0; index < ROWS; index += 1) {
    const line = 2 + 2 * index;
    const value = `"words of ${index}\nand more",${index % 1000}.25`;
    if (index % FAULT_EVERY === FAULT_EVERY - 1) {
      const isShort = faults.length % 2 === 0;
      rows.push(isShort ? `none,${value}\n` : `${index},${value},too much\n`);
      faults.push(isShort ? { line, column: 'id', code: 'wrong_type' } : { line, column: undefined, code: 'too_many_columns' });
    } else {
      rows.push(`${index},${value}\n`);
      clean.push(`${index},${value}\n`);
    }
  }
  return { csv: `id,name,value\n${rows.join('')}`, clean: `id,name,value\n${clean.join('')}`, faults };
}

describe('kill -9 of the worker in a transform', () => {
  it('does at most one chunk again for each kill, and makes what one go would have made', async () => {
    const { csv, clean, faults } = makeTable();
    const fileId = await upload(csv);
    const id = (await product.call('POST', `/v1/files/${fileId}/transforms`, { body: { columns: COLUMNS } })).body.id as string;
    let seen = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const wanted = seen + CHUNKS_BETWEEN;
      await holds(async () => assert.ok((await chunks(id)).length >= wanted));
      product.kill('work');
      seen = (await chunks(id)).length;
    }
    await holds(async () => assert.equal((await product.call('GET', `/v1/operations/${id}`)).body.status, 'succeeded'));
    const { result } = (await product.call('GET', `/v1/operations/${id}`)).body as { readonly result: FileTransformResult };
    const done = await chunks(id);
    const redone = done.length - new Set(done).size;
    assert.ok(redone >= 1 && redone <= KILLS, `${redone} chunks redone: ${done}`);
    assert.deepEqual([result.rows, result.rejected], [ROWS - faults.length, faults.length]);
    const rejects = (await content(result.rejectsFileId ?? ''))
      .toString()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Fault);
    assert.deepEqual(
      rejects.map(({ line, column, code }) => ({ line, column, code })),
      faults,
    );
    await assertSameRows(await content(result.fileId), clean, ROWS - faults.length);
  });
});

async function upload(csv: string): Promise<string> {
  const response = await fetch(`${product.endpoints['api']}/v1/files?name=table.csv`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${product.apiKey}`, 'Content-Type': 'text/csv', Prefer: 'wait=25' },
    body: csv,
  });
  const { links } = (await response.json()) as { readonly links: { readonly resource: string } };
  const fileId = links.resource.split('/').at(-1) ?? '';
  await holds(async () => assert.equal((await product.call('GET', `/v1/files/${fileId}`)).body.state, 'ready'));
  return fileId;
}

/** Every try at a chunk, by its number. */
async function chunks(operationId: string): Promise<readonly string[]> {
  const entries = (await product.call('GET', `/v1/operations/${operationId}/timeline`)).body.data as {
    readonly activity: string;
    readonly activityId: string;
  }[];
  return entries.filter(({ activity }) => activity === 'transformChunk').map(({ activityId }) => activityId);
}

async function content(fileId: string): Promise<Buffer> {
  const response = await fetch(`${product.endpoints['api']}/v1/files/${fileId}/content`, {
    headers: { Authorization: `Bearer ${product.apiKey}` },
  });
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

/** DuckDB reads the rows without faults in one go, and knows nothing of ours. */
async function assertSameRows(parquet: Buffer, clean: string, rows: number): Promise<void> {
  const [made, csv] = [join(folder, 'made.parquet'), join(folder, 'clean.csv')];
  await writeFile(made, parquet);
  await writeFile(csv, clean);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const columns = `{'id': 'BIGINT', 'name': 'VARCHAR', 'value': 'DOUBLE'}`;
  const once = `read_csv('${csv}', header = true, delim = ',', quote = '"', escape = '"', auto_detect = false, columns = ${columns})`;
  const ours = `read_parquet('${made}')`;
  const different = await connection.runAndReadAll(`SELECT
    (SELECT count(*)::INTEGER FROM (FROM ${once} EXCEPT ALL FROM ${ours})) AS lost,
    (SELECT count(*)::INTEGER FROM (FROM ${ours} EXCEPT ALL FROM ${once})) AS added,
    (SELECT count(*)::INTEGER FROM ${ours}) AS n`);
  assert.deepEqual(different.getRowObjectsJson(), [{ lost: 0, added: 0, n: rows }]);
  connection.closeSync();
  instance.closeSync();
}
