import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Operation } from '../../src/contracts/operation.ts';
import type { FileTransformResult } from '../../src/contracts/files/transform.ts';
import { assertProblem } from '../api/fixture.ts';
import { holds, useFileWorld } from './world.ts';

/** So small that a few hundred records make many chunks. */
const CHUNK_BYTES = 65_536;
const MAX_REJECTS = 1_000;
const world = useFileWorld({ environment: { TRANSFORM_CHUNK_BYTES: String(CHUNK_BYTES), TRANSFORM_MAX_REJECTS: String(MAX_REJECTS) } });

interface TimelineEntry {
  readonly activity: string;
  readonly activityId: string;
  readonly outcome?: string;
}

describe('transforms of tables', () => {
  it('makes Parquet of CSV in chunks, reports what does not fit, and profiles the columns', async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => `${index},"name ${index}\nsecond line",${index % 7}.5\n`);
    rows[25_000] = 'not a number,"x",1.5\n';
    const file = await world.put(`id,name,value\n${rows.join('')}`, 'orders.csv', 'text/csv');
    const { result, operation } = await transform(file.id, { profile: true });
    assert.deepEqual([result.rows, result.rejected], [29_999, 1]);
    assert.deepEqual(
      result.columns?.map(({ type }) => type),
      ['BIGINT', 'VARCHAR', 'DOUBLE'],
    );
    const made = await world.file(result.fileId);
    assert.deepEqual(
      [made.state, made.name, made.mediaType, made.sha256],
      ['ready', 'orders.parquet', 'application/vnd.apache.parquet', result.sha256],
    );
    const found = await query(
      await content(result.fileId),
      'SELECT count(*)::INTEGER AS n, sum(id)::DOUBLE AS ids, max(name) AS name FROM table',
    );
    const ids = rows.reduce((total, _row, index) => (index === 25_000 ? total : total + index), 0);
    assert.deepEqual(found, [{ n: 29_999, ids, name: 'name 9999\nsecond line' }]);
    const rejects = (await content(result.rejectsFileId ?? ''))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(rejects, [
      {
        line: 50_002,
        column: 'id',
        code: 'wrong_type',
        message: 'The value does not fit the type of its column.',
        text: 'not a number,"x",1.5',
      },
    ]);
    const profile = JSON.parse((await content(result.profileFileId ?? '')).toString());
    assert.deepEqual([profile.rows, profile.columns.length, profile.columns[2].max], [29_999, 3, 6.5]);
    assert.match((await content(result.profilePageFileId ?? '')).toString(), /<svg viewBox/);
    const chunks = await chunksOf(operation.id);
    assert.ok(chunks.length > 5, `${chunks.length} chunks`);
    assert.equal(new Set(chunks.map(({ activityId }) => activityId)).size, chunks.length, 'no chunk was done twice');
    assert.equal((await world.core().deps.storage.list({ prefix: 'transforms/' })).objects.length, 0, 'no parts are left');
  });

  it('unpacks, decodes, takes described columns, and packs', async () => {
    const text = Buffer.from('id;name;since\n1;Jos\u00e9;2026-01-31\n2;\u00c5sa;\n', 'latin1');
    const file = await world.put(gzipSync(text), 'people.csv.gz', 'application/gzip');
    const { result } = await transform(file.id, {
      from: { encoding: 'windows-1252', delimiter: ';' },
      columns: [
        { name: 'number', type: 'integer' },
        { name: 'name', type: 'text' },
        { name: 'since', type: 'date' },
      ],
      to: { format: 'jsonl', compression: 'gzip' },
    });
    assert.equal((await world.file(result.fileId)).name, 'people.jsonl.gz');
    assert.equal(
      gunzipSync(await content(result.fileId)).toString(),
      '{"number":1,"name":"Jos\u00e9","since":"2026-01-31"}\n{"number":2,"name":"\u00c5sa","since":null}\n',
    );
    assert.deepEqual([result.rejected, result.rejectsFileId], [0, undefined]);
  });

  it('refuses bad requests and files that are none of its business, and stores nothing', async () => {
    const file = await world.put('a,b\n1,2\n', 'a.csv', 'text/csv');
    const other = await world.api().newTenant();
    const post = (id: string, body: object, key?: string) =>
      world.raw('POST', `/v1/files/${id}/transforms`, {
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
        ...(key === undefined ? {} : { key }),
      });
    assert.equal((await post(file.id, {}, other.key)).status, 404);
    assert.equal((await post('019ab6a0-7c00-7000-8000-000000000001', {})).status, 404);
    const virus = await world.put('MZ no table', 'b.csv', 'text/csv');
    assertProblem(await post(virus.id, {}), 409, 'file_not_ready');
    for (const body of [
      { to: { format: 'xlsx' } },
      { from: { delimiter: 'ab' } },
      { from: { format: 'jsonl', delimiter: ';' } },
      { columns: [] },
      {
        columns: [
          { name: 'a', type: 'text' },
          { name: 'A', type: 'text' },
        ],
      },
      { columns: [{ name: 'a', type: 'BLOB' }] },
      { name: '../x' },
      { fileId: file.id },
      { unknown: 1 },
    ]) {
      const answer = await post(file.id, body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(answer.body.code, 'invalid_request');
    }
  });

  it('ends as failed, and makes nothing, when the table can not be read as what it is said to be', async () => {
    const file = await world.put('[1,2]\n', 'a.jsonl', 'application/x-ndjson');
    const operation = await started(file.id, {});
    const ended = await world.ends(operation.id, 'failed');
    assert.deepEqual([ended.error?.code, ended.error?.retryable], ['rejected', false]);
    const unknown = await started((await world.put('a b c\n', 'notes.md', 'text/markdown')).id, {});
    assert.match((await world.ends(unknown.id, 'failed')).error?.message ?? '', /from\.format/);
  });

  it('ends as failed, and makes nothing, when more records do not fit than may be left out, in all chunks together', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => (index >= 5_000 && index % 10 === 0 ? 'x,y\n' : `${index},some words\n`));
    const file = await world.put(`id,name\n${rows.join('')}`, 'unfit.csv', 'text/csv');
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'text' },
    ];
    const operation = await started(file.id, { columns });
    const { error } = await world.ends(operation.id, 'failed');
    assert.deepEqual([error?.code, error?.retryable], ['rejected', false]);
    assert.match(error?.message ?? '', /More than 1000 records do not fit; .* line 15002 \(wrong_type\)/);
    assert.ok((await chunksOf(operation.id)).length > 1);
    assert.deepEqual((await world.core().deps.storage.list({ prefix: 'transforms/' })).objects, []);
  });

  it('is cancelled in the middle of a chunk, and leaves nothing', async () => {
    const rows = Array.from({ length: 400_000 }, (_, index) => `${index},some words for row ${index}\n`);
    const file = await world.put(`id,name\n${rows.join('')}`, 'large.csv', 'text/csv');
    const operation = await started(file.id, {});
    await holds(async () => assert.ok((await chunksOf(operation.id)).length > 1));
    await world.raw('POST', `/v1/operations/${operation.id}/cancel`, { body: '{}', headers: { 'Content-Type': 'application/json' } });
    await world.ends(operation.id, 'cancelled');
    const { objects } = await world.core().deps.storage.list({ prefix: 'transforms/' });
    assert.deepEqual(objects, []);
    const files = (await world.raw('GET', '/v1/files?limit=100')).body.data as { name?: string }[];
    assert.ok(!files.some(({ name }) => name === 'large.parquet'));
  });

  async function started(fileId: string, body: object): Promise<Operation> {
    const answer = await world.raw('POST', `/v1/files/${fileId}/transforms`, {
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    });
    assert.equal(answer.status, 202, answer.text);
    return answer.body as Operation; // what the route answers
  }

  async function transform(fileId: string, body: object): Promise<{ readonly operation: Operation; readonly result: FileTransformResult }> {
    const operation = await world.ends((await started(fileId, body)).id, 'succeeded');
    return { operation, result: operation.result as FileTransformResult };
  }

  async function content(fileId: string): Promise<Buffer> {
    const response = await fetch(`${world.api().url}/v1/files/${fileId}/content`, { headers: { Authorization: `Bearer ${world.key()}` } });
    assert.equal(response.status, 200);
    return Buffer.from(await response.arrayBuffer());
  }

  async function chunksOf(operationId: string): Promise<readonly TimelineEntry[]> {
    const { body } = await world.raw('GET', `/v1/operations/${operationId}/timeline`);
    return (body.data as TimelineEntry[]).filter(({ activity }) => activity === 'transformChunk');
  }

  /** By an engine that knows nothing of ours. */
  async function query(parquet: Buffer, statement: string): Promise<unknown> {
    const path = join(world.folder(), '..', `asked-${process.pid}.parquet`);
    await writeFile(path, parquet);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(statement.replace('FROM table', `FROM read_parquet('${path}')`));
    return reader.getRowObjectsJson();
  }
});
