import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { OutputFormat, OutputPart, Reject, TablePlan, TableWish } from '../../src/adapters/tables.ts';
import { createDuckdbTables } from '../../src/adapters/tables-duckdb.ts';
import { Session } from '../../src/adapters/tables/session.ts';
import { unzstd } from '../../src/adapters/zstd-frames.ts';

const signal = new AbortController().signal;
const PARQUET: OutputFormat = { format: 'parquet', compression: 'zstd' };
const CSV: TableWish = { format: 'csv', hasHeader: true };
const ANY_REJECTS = { left: 1_000_000, of: 1_000_000 };
const JSONL: TableWish = { format: 'jsonl', hasHeader: false };

interface Made {
  readonly plan: TablePlan;
  readonly path: string;
  readonly rows: number;
  readonly rejected: number;
  readonly rejects: readonly Reject[];
  readonly chunks: number;
  readonly parts: number;
}

describe('tables: DuckDB', () => {
  let folder: string;
  let count = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nightshift-tables-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The whole way: cut into chunks of this size, converted one by one, put together. */
  async function transform(
    input: string | Buffer,
    wish: TableWish,
    options: { chunkBytes?: number; to?: OutputFormat; maxRejects?: number } = {},
  ): Promise<Made> {
    const { chunkBytes = 64 * 1024 * 1024, to = PARQUET, maxRejects = 1_000_000 } = options;
    count += 1;
    const bytes = Buffer.from(input);
    const tables = createDuckdbTables({ folder: join(folder, 'work') });
    const paths: string[] = [];
    const rejects: Reject[] = [];
    let [rows, rejected, chunks] = [0, 0, 0];
    const open = (firstByte: number) => piecesOf(bytes.subarray(firstByte));
    await using work = await tables.open({ threads: 1 });
    const plan = await work.inspect(open, wish, signal);
    let place = { firstByte: plan.firstByte, firstLine: plan.firstLine };
    for await (const chunk of work.cut({ open, plan, ...place, chunkBytes })) {
      assert.deepEqual({ firstByte: chunk.firstByte, firstLine: chunk.firstLine }, place, 'chunks follow each other');
      place = { firstByte: chunk.endByte, firstLine: chunk.endLine };
      const allowed = { left: maxRejects - rejected, of: maxRejects };
      const converted = await work.convert({ chunk, plan, to, rejects: allowed, signal });
      chunks += 1;
      rows += converted.rows;
      rejected += converted.rejected;
      if (converted.rejectsPath !== undefined)
        for (const reject of linesOf(await readFile(converted.rejectsPath, 'utf8'))) rejects.push(reject);
      if (converted.path === undefined) continue;
      const kept = join(folder, `part-${count}-${chunks}`);
      await copyFile(converted.path, kept);
      paths.push(kept);
    }
    assert.equal(place.firstByte, bytes.length, 'all of the input is in a chunk');
    if (paths.length === 0 && to.format === 'parquet') paths.push(await work.empty({ columns: plan.columns, to, signal }));
    const path = join(folder, `output-${count}`);
    const parts = await Promise.all(paths.map(partOf));
    await writeFile(path, tables.join(parts, to, plan.columns));
    return { plan, path, rows, rejected, rejects, chunks, parts: parts.length };
  }

  it('makes of any table, in chunks of any size, what one go makes of it', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { text, rejectedLines } = randomTable(seed);
      const whole = await transform(text, CSV);
      const columns = whole.plan.columns.map(({ name, type }) => `'${name}': '${type}'`).join(', ');
      const oneGo = await query(
        `SELECT * FROM read_csv('${await stored(text)}', auto_detect=false, header=true, delim=',', quote='"', escape='"', columns={${columns}}, ignore_errors=true)`,
      );
      assert.deepEqual(await query(`SELECT * FROM read_parquet('${whole.path}')`), oneGo, `seed ${seed}`);
      assert.deepEqual([...new Set(whole.rejects.map(({ line }) => line))], rejectedLines, `seed ${seed}`);
      assert.equal(whole.rejected, rejectedLines.length, `seed ${seed}`);
      for (const chunkBytes of [80, 1000]) {
        const cut = await transform(text, CSV, { chunkBytes });
        assert.deepEqual(await query(`SELECT * FROM read_parquet('${cut.path}')`), oneGo, `seed ${seed}, ${chunkBytes}`);
        assert.deepEqual(cut.rejects, whole.rejects, `seed ${seed}, ${chunkBytes}`);
        assert.equal(cut.rejected, whole.rejected);
      }
    }
  });

  it('tells the line, the column and the reason of each record that it could not take', async () => {
    const good = '1,Ada,1.5\n2,"Grace\nHopper",2\n';
    const wish: TableWish = {
      ...CSV,
      columns: [
        { name: 'id', type: 'BIGINT' },
        { name: 'name', type: 'VARCHAR' },
        { name: 'n', type: 'DOUBLE' },
      ],
    };
    const input = Buffer.concat([
      Buffer.from(`id,name,n\n${good}\n\nx,bad id,3\n4,"no\nn"\n5,too,6,many\n7,"quote" after,7\n8,"ok",8\n9,Jos`),
      Buffer.from([0xe9]),
      Buffer.from(',9\n10,y,z\n11,"ok"" too",11\n'),
    ]);
    const { rejects, rows, rejected } = await transform(input, wish, { chunkBytes: 30 });
    assert.deepEqual(
      rejects.map(({ line, column, code }) => [line, column, code]),
      [
        [7, 'id', 'wrong_type'],
        [8, 'n', 'missing_columns'],
        [10, undefined, 'too_many_columns'],
        [11, 'name', 'bad_quotes'],
        [13, 'name', 'invalid_encoding'],
        [14, 'n', 'wrong_type'],
      ],
    );
    assert.equal(rejects[0]?.text, 'x,bad id,3');
    assert.deepEqual([rows, rejected], [4, 6]);
  });

  it('tells them in order too where a chunk is so full of them that the engine gets it in slices', async () => {
    const wish: TableWish = {
      ...CSV,
      columns: [
        { name: 'id', type: 'BIGINT' },
        { name: 'name', type: 'VARCHAR' },
      ],
    };
    for (const [end, records] of [
      ['\n', 52_000],
      // Ends that are mixed make the engine refuse the whole, so that it gets a copy.
      ['\r\n', 22_000],
    ] as const) {
      const lines = Array.from({ length: records }, (_, index) => (index % 1_000 === 0 ? `${index},"a\nb"` : 'x'));
      const { rows, rejected, rejects, chunks } = await transform(`id,name\n${lines.join(end)}\r`, wish);
      const expected = lines.flatMap((line, index) => (line === 'x' ? [index + 2 + Math.ceil(index / 1_000)] : []));
      assert.deepEqual([rows, rejected, chunks], [records / 1_000, records - records / 1_000, 1]);
      assert.deepEqual(
        rejects.filter(({ code }) => code === 'missing_columns').map(({ line }) => line),
        expected,
      );
    }
  });

  it('makes the same of a chunk in rounds, where its faults would take too much memory at once', async (t) => {
    const wish: TableWish = {
      ...CSV,
      columns: [
        { name: 'id', type: 'BIGINT' },
        { name: 'day', type: 'TIMESTAMP WITH TIME ZONE' },
        { name: 'price', type: 'DECIMAL(38,9)' },
        { name: 'text', type: 'VARCHAR' },
      ],
    };
    const record = (index: number): string =>
      index % 7 === 0 ? 'x' : `${index},2026-01-31T10:00:${10 + (index % 50)}Z,${index}.5,"a\nb ${index}"`;
    for (const end of ['\n', '\r\n']) {
      // Its end makes the engine refuse the whole where it is another one.
      const text = `id,day,price,text\n${Array.from({ length: 12_000 }, (_, index) => record(index)).join(end)}\n1,,,\r`;
      const atOnce = await transform(text, wish);
      const asked = t.mock.method(Session.prototype, 'rowsWithin', async () => undefined);
      for (const to of [PARQUET, { format: 'csv', compression: 'gzip' }] as const) {
        const inRounds = await transform(text, wish, { to });
        const read = to.format === 'csv' ? 'read_csv' : 'read_parquet';
        const options = to.format === 'csv' ? `, header = true, compression = 'gzip', all_varchar = true` : '';
        const values = 'id::VARCHAR AS id, day::TIMESTAMPTZ::VARCHAR AS day, price::VARCHAR AS price, text';
        assert.deepEqual(
          await query(`SELECT ${values} FROM ${read}('${inRounds.path}'${options})`),
          await query(`SELECT ${values} FROM read_parquet('${atOnce.path}')`),
        );
        assert.deepEqual([inRounds.rejects, inRounds.rejected, inRounds.chunks], [atOnce.rejects, atOnce.rejected, 1]);
      }
      assert.ok(asked.mock.callCount() > 0, 'there was more than one slice');
      asked.mock.restore();
    }
  });

  it('ends a statement that leaves more in memory than it may, and goes on', async (t) => {
    await using session = await Session.open(join(folder, 'within'), 1);
    const endless = 'CREATE TEMP TABLE numbers AS SELECT range AS n FROM range(100_000_000_000)';
    assert.equal(await session.rowsWithin(1_000_000, endless, signal), undefined);
    const rows = await session.rowsWithin(1_000_000, 'SELECT count(*)::DOUBLE AS tables FROM duckdb_tables()', signal);
    assert.deepEqual(rows, [{ tables: 0 }]);
    const failing = t.mock.method(DuckDBConnection.prototype, 'runAndReadAll', () => Promise.reject(new Error('Out of Memory Error: x')));
    assert.equal(await session.rowsWithin(1e12, endless, signal), undefined, 'it can not even be asked');
    failing.mock.restore();
    const stop = AbortSignal.timeout(100);
    await assert.rejects(session.rowsWithin(1e12, endless, stop), { name: 'TimeoutError' });
  });

  it('gives up where more records do not fit than may be left out', async () => {
    const maxRejects = 5;
    for (const [wish, good, bad] of [
      [CSV, '1,2\n', 'x,2\n'],
      [JSONL, '{"a":1}\n', '{"a":"x"}\n'],
      [JSONL, '{"a":1}\n', 'x\n'],
    ] as const) {
      const columns = [{ name: 'a', type: 'BIGINT' }];
      const described = { ...wish, columns: wish.format === 'csv' ? [...columns, { name: 'b', type: 'BIGINT' }] : columns };
      for (const chunkBytes of [8, 1_000]) {
        const input = `${good}${bad.repeat(maxRejects)}${good}`;
        const made = await transform(input, { ...described, hasHeader: false }, { chunkBytes, maxRejects });
        assert.deepEqual([made.rows, made.rejected], [2, maxRejects]);
        const more = transform(`${input}${bad}`, { ...described, hasHeader: false }, { chunkBytes, maxRejects });
        await assert.rejects(more, { name: 'TableError', message: /More than 5 records .* in line 8 \((?:wrong_type|invalid_json)\)/ });
      }
    }
  });

  for (const [format, records] of [
    ['csv', 300_000],
    // No field of any record fits.
    ['wide', 700],
    ['jsonl', 2_000_000],
  ] as const)
    it(`takes no more memory for a table of which nothing fits: ${format}`, async (t) => {
      const script = fileURLToPath(new URL('rejects-memory.ts', import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, [script, join(folder, `rejects-${format}`), format, String(records)]);
      const { rejected, peakMb } = JSON.parse(stdout) as { readonly rejected: number; readonly peakMb: number }; // written by that script
      assert.equal(rejected, records);
      t.diagnostic(`peak of ${Math.round(peakMb)} MB`);
      assert.ok(peakMb < 512, `${peakMb} MB`);
    });

  it('goes on after a quote that is never closed, and after records that are too long', async () => {
    const long = 'x'.repeat(3 * 1024 * 1024);
    const rows = Array.from({ length: 50_000 }, (_, index) => `${index},row ${index}\n`).join('');
    const closed = await transform(`id,name\n1,a\n2,"${long}"\n3,c\n`, CSV);
    assert.deepEqual([closed.rows, closed.rejects.map(({ line, code }) => [line, code])], [2, [[3, 'record_too_long']]]);
    const open = await transform(`id,name\n1,a\n2,"never closed\n${rows.repeat(4)}`, CSV);
    assert.deepEqual(
      [open.rows, open.rejected, open.rejects.map(({ line, code }) => [line, code])],
      [200_001, 1, [[3, 'record_too_long']]],
    );
  });

  it('takes any end of lines, also mixed ones, and a record that ends with the file', async () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const { rows, rejects } = await transform(
        `id,name${end}1,a${end}${end}2,"b${end}b"${end}x,c${end}4,d`,
        {
          ...CSV,
          columns: [
            { name: 'id', type: 'BIGINT' },
            { name: 'name', type: 'VARCHAR' },
          ],
        },
        { chunkBytes: 3 },
      );
      assert.deepEqual([rows, rejects.map(({ line }) => line)], [3, [end === '\r' ? 5 : 6]], JSON.stringify(end));
    }
    const { rows } = await transform('id,name\r\n1,a\n2,b\r3,c\r\n4,d\n', CSV);
    assert.equal(rows, 4);
  });

  it('finds types that hold, and leaves codes with leading zeros texts', async () => {
    const head = 'b,i,d,date,time,at,zone,code,text,empty\n';
    const { plan } = await transform(
      `${head}true,1,1.5,2026-01-31,10:00:00,2026-01-31 10:00,2026-01-31T10:00:00Z,007,x,\nFalse,-2,1e3,2026-02-28,23:59:59.5,2026-01-31T10:00:01.5,2026-01-31T10:00:00+02:00,123,1,\n`,
      CSV,
    );
    assert.deepEqual(
      plan.columns.map(({ type }) => type),
      ['BOOLEAN', 'BIGINT', 'DOUBLE', 'DATE', 'TIME', 'TIMESTAMP', 'TIMESTAMPTZ', 'VARCHAR', 'VARCHAR', 'VARCHAR'],
    );
  });

  it('finds the delimiter, and makes names of columns unique', async () => {
    for (const delimiter of [',', ';', '\t', '|']) {
      const { plan, rows } = await transform(['a', 'A', '', '"x,y"'].join(delimiter) + `\n${['1', '2', '3', '4'].join(delimiter)}\n`, CSV);
      assert.deepEqual(
        [plan.dialect.delimiter, plan.columns.map(({ name }) => name), rows],
        [delimiter, ['a', 'A_1', 'column2', 'x,y'], 1],
      );
    }
    const { plan, rows } = await transform('1\t"a\tb"\n2\tc\n', { format: 'tsv', hasHeader: false });
    assert.deepEqual([plan.columns.map(({ name }) => name), rows], [['column0', 'column1'], 2]);
  });

  it('reads the header whole, however long it is, and refuses a first record without an end', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `column_${index}_${'x'.repeat(2_000)}`);
    names[7] = `"two\nlines, ${'y'.repeat(300_000)}"`;
    const row = names.map((_, index) => index).join(',');
    const { plan, rows, rejects } = await transform(`\n${names.join(',')}\n${row}\n${row}\n`, CSV);
    assert.deepEqual([plan.columns.length, plan.firstLine, rows, rejects], [300, 4, 2, []]);
    assert.ok(plan.columns.every(({ type }) => type === 'BIGINT'));
    const endless = `a,"b${'\n1,2'.repeat(1_000_000)}\n`;
    await assert.rejects(transform(endless, CSV), { name: 'TableError', message: /first record is longer/ });
  });

  it('asks for the types of few columns at a time, so that a cancel ends it', async (t) => {
    const { inspectTable } = await import('../../src/adapters/tables/inspect.ts');
    await using session = await Session.open(join(folder, 'wide'), 1);
    const names = Array.from({ length: 2_000 }, (_, index) => `c${index}`);
    const bytes = Buffer.from(`${names.join(',')}\n${names.map((_, index) => index).join(',')}\n`);
    const stop = new AbortController();
    const asked: number[] = [];
    const rows = session.rows.bind(session);
    t.mock.method(session, 'rows', async (statement: string, other: AbortSignal) => {
      const expressions = statement.split('bool_and(').length - 1;
      if (expressions > 0) asked.push(expressions);
      if (asked.length === 3) stop.abort(new Error('stop'));
      return rows(statement, other);
    });
    const inspecting = inspectTable(session, { open: (firstByte) => piecesOf(bytes.subarray(firstByte)), wish: CSV }, stop.signal);
    await assert.rejects(inspecting, /stop/);
    assert.equal(asked.length, 3, 'nothing is asked after the cancel');
    assert.ok(
      asked.every((expressions) => expressions <= 500),
      `${asked.join(', ')} expressions in a statement`,
    );
  });

  it('reads JSON lines, and tells which it could not take', async () => {
    const lines = [
      '{"id":1,"name":"Ada","tags":["a","b"],"at":{"x":1}}',
      '',
      '{"id":"no","name":"x"}',
      '[1,2]',
      '{"id":2,"name":null}',
      '{broken',
      '{"id":3,"name":"half \\ud800"}',
      '{"id":4,"na/me~":"y","name":5}',
    ];
    const wish: TableWish = {
      format: 'jsonl',
      hasHeader: false,
      columns: [
        { name: 'id', type: 'BIGINT' },
        { name: 'name', type: 'VARCHAR' },
        { name: 'na/me~', type: 'VARCHAR' },
      ],
    };
    for (const chunkBytes of [1, 60, 10_000]) {
      const { path, rejects, rows } = await transform(lines.join('\n'), wish, { chunkBytes });
      assert.deepEqual(
        rejects.map(({ line, column, code }) => [line, column, code]),
        [
          [3, 'id', 'wrong_type'],
          [4, undefined, 'not_an_object'],
          [6, undefined, 'invalid_json'],
          [7, undefined, 'invalid_json'],
        ],
      );
      assert.equal(rows, 3);
      assert.deepEqual(await query(`SELECT * FROM read_parquet('${path}')`), [
        { id: '1', name: 'Ada', 'na/me~': null },
        { id: '2', name: null, 'na/me~': null },
        { id: '4', name: '5', 'na/me~': 'y' },
      ]);
    }
    const found = await transform(
      '{"id":1,"tags":["a"],"at":{"x":1.5}}\n{"id":2,"tags":[]}\n',
      { format: 'jsonl', hasHeader: false },
      { chunkBytes: 1 },
    );
    assert.deepEqual(await query(`SELECT * FROM read_parquet('${found.path}')`), [
      { id: '1', tags: ['a'], at: { x: 1.5 } },
      { id: '2', tags: [], at: null },
    ]);
  });

  it('keeps the order of JSON lines, whatever their fields are called', async () => {
    const lines = [3, 1, 2].map((n) => JSON.stringify({ n, parsed: { n: -n }, bad: 9 - n, v0: n * n }));
    const { path } = await transform(lines.join('\n'), JSONL);
    assert.deepEqual(await query(`SELECT n::INTEGER AS n, v0::INTEGER AS v0 FROM read_parquet('${path}')`), [
      { n: 3, v0: 9 },
      { n: 1, v0: 1 },
      { n: 2, v0: 4 },
    ]);
  });

  it('loses no field of JSON lines whose names differ only in capitals: it refuses them, or takes those that are described', async () => {
    const refused = [
      '{"Id":1,"id":"x"}',
      '{"Id":1}\n{"id":"x"}',
      '{"at":{"Id":1,"id":2}}',
      '{"at":[{"Id":1}]}\n{"at":[{"id":2}]}',
      '{"":1,"a":2}',
    ];
    for (const input of refused) await assert.rejects(transform(input, JSONL), { name: 'TableError', message: /capitals/ }, input);
    const { path } = await transform('{"Id":1,"id":"x","at":{"A":1,"a":2}}', {
      ...JSONL,
      columns: [
        { name: 'id', type: 'VARCHAR' },
        { name: 'at', type: 'VARCHAR' },
      ],
    });
    assert.deepEqual(await query(`SELECT * FROM read_parquet('${path}')`), [{ id: 'x', at: '{"A":1,"a":2}' }]);
    const { plan } = await transform('{"\u00e9":1,"\u00c9":2}', JSONL);
    assert.deepEqual(
      plan.columns.map(({ name }) => name),
      ['\u00e9', '\u00c9'],
    );
  });

  it('writes each format, packed or not, as one file that others read', async () => {
    const text = `id,"na,me"\n${Array.from({ length: 500 }, (_, index) => `${index},"line ${index}\nwith ""quotes"""\n`).join('')}`;
    const unpack = { none: (bytes: Buffer) => bytes, gzip: (bytes: Buffer) => gunzipSync(bytes), zstd: unzstdAll };
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const csv = await transform(text, CSV, { chunkBytes: 500, to: { format: 'csv', compression } });
      const path = await stored(await unpack[compression](await readFile(csv.path)));
      const again = await query(`SELECT count(*)::INTEGER AS n, max("na,me") AS m FROM read_csv('${path}', header=true)`);
      assert.deepEqual(again, [{ n: 500, m: 'line 99\nwith "quotes"' }]);
      const jsonl = await transform(text, CSV, { chunkBytes: 500, to: { format: 'jsonl', compression } });
      const objects = (await unpack[compression](await readFile(jsonl.path))).toString().trim().split('\n');
      assert.deepEqual([objects.length, JSON.parse(objects[7] ?? '')], [500, { id: 7, 'na,me': 'line 7\nwith "quotes"' }]);
      const parquet = await transform(text, CSV, { chunkBytes: 500, to: { format: 'parquet', compression } });
      assert.ok(parquet.chunks > 10);
      const meta = await query(
        `SELECT count(*)::INTEGER AS groups, sum(row_group_num_rows)::INTEGER AS rows FROM parquet_metadata('${parquet.path}') WHERE column_id = 0`,
      );
      assert.deepEqual(meta, [{ groups: parquet.parts, rows: 500 }]);
      // Bounds and filters of row groups lie where the footer says.
      assert.deepEqual(await query(`SELECT "na,me" AS m FROM read_parquet('${parquet.path}') WHERE id = 321`), [
        { m: 'line 321\nwith "quotes"' },
      ]);
    }
  });

  it('makes a file of no rows where there are none, and refuses what is no table', async () => {
    const { path, rows } = await transform('id,name\n', CSV);
    assert.deepEqual([rows, await query(`SELECT count(*)::INTEGER AS n FROM read_parquet('${path}')`)], [0, [{ n: 0 }]]);
    const refused: readonly (readonly [string, TableWish, RegExp])[] = [
      ['', CSV, /empty/],
      ['\n\n\r\n', CSV, /empty/],
      ['a,b\n1,2\n', { ...CSV, columns: [{ name: 'a', type: 'BIGINT' }] }, /2 columns, and 1/],
      [Array.from({ length: 3000 }, (_, index) => `c${index}`).join(','), CSV, /2000 columns/],
      ['no json\n', { format: 'jsonl', hasHeader: false }, /no line that is a JSON object/],
    ];
    for (const [input, wish, message] of refused) await assert.rejects(transform(input, wish), { name: 'TableError', message });
  });

  it('is shut in: it reads no other file, loads nothing, and keeps its settings', async () => {
    await using session = await Session.open(join(folder, 'shut'), 1);
    for (const statement of [
      `SELECT * FROM read_text('/etc/passwd')`,
      `SELECT * FROM read_csv('${folder}/output-1')`,
      `SELECT * FROM read_csv('${folder}/shut/../output-1')`,
      `COPY (SELECT 1) TO '${folder}/escaped.csv'`,
      `SELECT * FROM read_parquet('https://example.com/x.parquet')`,
      'INSTALL httpfs',
      'LOAD httpfs',
      `ATTACH '${folder}/x.db'`,
      `SET enable_external_access = true`,
      `SET memory_limit = '10GB'`,
    ]) {
      await assert.rejects(session.rows(statement, signal), (error) => error instanceof Error, statement);
    }
    assert.ok(!(await readdir(folder)).includes('escaped.csv'));
    await session.rows(`COPY (SELECT 1) TO '${session.pathOf('inside.csv')}'`, signal);
  });

  it('never tries again what the engine refuses for a reason of its own, and quotes nothing of it', async () => {
    await using session = await Session.open(join(folder, 'refused'), 1);
    await writeFile(session.pathOf('x.jsonl'), '{"at":{"Secret":1,"secret":2}}\n');
    await assert.rejects(session.rows(`SELECT * FROM read_json('${session.pathOf('x.jsonl')}')`, signal), {
      name: 'TableError',
      message: 'The table engine gave up on the table: Not implemented Error.',
    });
  });

  it('stops when it is asked to, and leaves nothing', async () => {
    const tables = createDuckdbTables({ folder: join(folder, 'stopped') });
    {
      await using work = await tables.open({ threads: 1 });
      const text = `id\n${'1\n'.repeat(3_000_000)}`;
      const open = (firstByte: number) => piecesOf(Buffer.from(text).subarray(firstByte));
      const plan = await work.inspect(open, CSV, signal);
      const stop = new AbortController();
      for await (const chunk of work.cut({ open, plan, firstByte: plan.firstByte, firstLine: plan.firstLine, chunkBytes: 1e9 })) {
        const converting = work.convert({ chunk, plan, to: PARQUET, rejects: ANY_REJECTS, signal: stop.signal });
        setImmediate(() => stop.abort(new Error('stop')));
        await assert.rejects(converting, /stop/);
        break;
      }
    }
    assert.deepEqual(await readdir(join(folder, 'stopped')), []);
  });

  it('profiles columns', async () => {
    const rows = Array.from(
      { length: 1000 },
      (_, index) => `${index},${index % 3 === 0 ? 'red' : 'blue'},2026-01-${String((index % 28) + 1).padStart(2, '0')},\n`,
    );
    const { path, plan } = await transform(`n,colour,day,empty\n${rows.join('')}`, CSV, { chunkBytes: 2000 });
    const tables = createDuckdbTables({ folder: join(folder, 'work') });
    await using work = await tables.open({ threads: 1 });
    await copyFile(path, work.pathOf('output'));
    const profile = await work.profile({ paths: [work.pathOf('output')], to: PARQUET, columns: plan.columns, signal });
    const [n, colour, day, empty] = profile.columns;
    assert.equal(profile.rows, 1000);
    assert.deepEqual([n?.min, n?.max, n?.mean, n?.nulls], [0, 999, 499.5, 0]);
    assert.equal(n?.histogram?.length, 20);
    assert.equal(
      n?.histogram?.reduce((total, bin) => total + bin.count, 0),
      1000,
    );
    assert.deepEqual(colour?.top, [{ value: 'blue' }, { value: 'red' }]);
    assert.deepEqual([day?.min, day?.max], ['2026-01-01T00:00:00.000Z', '2026-01-28T00:00:00.000Z']);
    assert.deepEqual([empty?.values, empty?.nulls], [0, 1000]);
  });

  it('profiles thousands of columns too', async () => {
    const indexes = Array.from({ length: 2_000 }, (_, index) => index);
    const types = ['BIGINT', 'VARCHAR', 'DATE', 'DOUBLE'];
    const columns = indexes.map((index) => ({ name: `c${index}`, type: types[index % types.length] ?? '' }));
    const values = columns.map(({ name, type }, index) => `${type === 'DATE' ? `DATE '2026-01-01' + n` : `n * ${index}`} AS ${name}`);
    await using work = await createDuckdbTables({ folder: join(folder, 'work') }).open({ threads: 1 });
    const path = work.pathOf('output');
    await query(`COPY (SELECT ${values.join(', ')} FROM (SELECT range::INTEGER AS n FROM range(200))) TO '${path}' (FORMAT parquet)`);
    const profile = await work.profile({ paths: [path], to: PARQUET, columns, signal });
    assert.deepEqual(
      profile.columns.map(({ name }) => name),
      columns.map(({ name }) => name),
    );
    assert.deepEqual([profile.rows, profile.columns.at(-1)?.max, profile.columns.at(-4)?.histogram?.length], [200, 199 * 1_999, 20]);
  });

  async function stored(content: string | Buffer): Promise<string> {
    count += 1;
    const path = join(folder, `stored-${count}`);
    await writeFile(path, content);
    return path;
  }
});

async function unzstdAll(bytes: Buffer): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of unzstd(piecesOf(bytes))) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function partOf(path: string): Promise<OutputPart> {
  const { size } = await stat(path);
  return { sizeBytes: size, read: (start = 0, end = Infinity) => createReadStream(path, { start, end }) };
}

/** Each with memory of its own, which its reader may give back. */
async function* piecesOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    const piece = Buffer.allocUnsafeSlow(Math.min(65_536, bytes.length - at));
    bytes.copy(piece, 0, at);
    yield piece;
  }
}

function linesOf(text: string): readonly Reject[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Reject); // written by the code under test
}

async function query(statement: string): Promise<unknown> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(statement)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** A table with quotes, newlines in fields, blank lines, ragged records and wrong types, whose bad lines are known by the way it is made. */
function randomTable(seed: number): { readonly text: string; readonly rejectedLines: readonly number[] } {
  let state = seed * 2_654_435_761;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const end = random(2) === 0 ? '\n' : '\r\n';
  const words = ['a', 'b c', '', 'x,y', 'say ""hi""', `two${end}lines`, `${end}${end}`, 'é', '5 pipe', '""', ','];
  const field = (): string => {
    const word = words[random(words.length)] ?? '';
    return /[",\r\n]/.test(word) || random(3) === 0 ? `"${word}"` : word;
  };
  let text = `${random(2) === 0 ? '' : end}id,name,note${end}`;
  const rejectedLines: number[] = [];
  const linesSoFar = (): number => text.split('\n').length;
  // The first ones are good, so that the types are known.
  const good = (): string => `${random(10_000)},${field()},${field()}`;
  for (let first = 0; first < 30; first += 1) text += `${good()}${end}`;
  for (let row = 0; row < 60; row += 1) {
    const sort = random(10);
    const line = linesSoFar();
    if (sort === 0) text += end;
    else if (sort === 1) {
      text += `${random(100)},${field()}${end}`;
      rejectedLines.push(line);
    } else if (sort === 2) {
      text += `${good()},${field()},more${end}`;
      rejectedLines.push(line);
    } else text += `${good()}${row === 59 ? '' : end}`;
  }
  return { text, rejectedLines };
}
