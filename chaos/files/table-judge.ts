import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import type { Product } from '../lib/product.ts';
import { COLUMNS, type Fault } from './table.ts';
import { chunksOf, type Strike, type TableSent, Transform } from './table-act.ts';

const Reject = z.object({ line: z.number(), column: z.string().optional(), code: z.string() });

export interface TableVerdict {
  readonly violations: readonly string[];
  readonly redoneChunks: number;
  readonly chunks: number;
}

/** The table that was made must have the rows that DuckDB reads in one go, and the report every fault; little may have been done twice. */
export async function judgeTable(product: Product, sent: TableSent): Promise<TableVerdict> {
  const tries = await chunksOf(product, sent.operationId);
  const chunks = new Set(tries).size;
  const redoneChunks = tries.length - chunks;
  const violations: string[] = [];
  const kills = sent.strikes.length;
  if (redoneChunks > kills) violations.push(`${redoneChunks} chunks of the table were done again after ${kills} kills`);
  const { status, result, finishedAt } = Transform.parse((await product.call('GET', `/v1/operations/${sent.operationId}`)).body);
  if (result === undefined) return { violations: [...violations, `the transform is ${status}`], redoneChunks, chunks };
  violations.push(...lateStrikes(sent.strikes, finishedAt));
  const expected = sent.rows - sent.faults.length;
  if (result.rows !== expected || result.rejected !== sent.faults.length)
    violations.push(`${result.rows} rows and ${result.rejected} rejects are said to be, of ${expected} and ${sent.faults.length}`);
  violations.push(...rejectViolations(await rejectsOf(product, sent, result.rejectsFileId), sent.faults));
  const made = await download(product, result.fileId, `${sent.path}.parquet`);
  const [ours, once] = await fingerprints(made, sent.path);
  if (ours !== once) violations.push(`the rows are not those that DuckDB reads in one go: ${ours}, and ${once}`);
  return { violations, redoneChunks, chunks };
}

/** A kill after the work was done proves nothing of it. */
export function lateStrikes(strikes: readonly Strike[], finishedAt: string | undefined): readonly string[] {
  return strikes.flatMap(({ target, at }, index) =>
    finishedAt === undefined || at.getTime() < Date.parse(finishedAt)
      ? []
      : [`kill ${index + 1} at the table, of ${target}, came after its end`],
  );
}

export function rejectViolations(reported: readonly Fault[], faults: readonly Fault[]): readonly string[] {
  const words = (list: readonly Fault[]): readonly string[] =>
    list.map(({ line, column, code }) => `${code} in line ${line}, column ${column ?? 'none'}`);
  const [said, meant] = [words(reported), words(faults)];
  return [
    ...meant.filter((fault) => !said.includes(fault)).map((fault) => `not reported: ${fault}`),
    ...said
      .filter((fault, index) => !meant.includes(fault) || said.indexOf(fault) !== index)
      .map((fault) => `reported, but not so: ${fault}`),
  ];
}

async function rejectsOf(product: Product, { path }: TableSent, fileId: string | undefined): Promise<readonly Fault[]> {
  if (fileId === undefined) return [];
  const text = await readFile(await download(product, fileId, `${path}.rejects`), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => Reject.parse(JSON.parse(line)));
}

async function download(product: Product, fileId: string, path: string): Promise<string> {
  const response = await fetch(`${product.endpoints['api']}/v1/files/${fileId}/content`, {
    headers: { Authorization: `Bearer ${product.apiKey}` },
  });
  if (!response.ok || response.body === null) throw new Error(`The file ${fileId} can not be had: ${response.status}.`);
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(path)); // two libraries, two types of the same stream
  return path;
}

/** Number and hash of all rows, whatever their order: of the file that was made, and of the table as it was sent. */
async function fingerprints(parquet: string, csv: string): Promise<readonly [string, string]> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '512MB', threads: '1' });
  const connection = await instance.connect();
  const columns = Object.entries(COLUMNS).map(([name, type]) => `'${name}': '${type}'`);
  const options = `auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', store_rejects = true, columns = {${columns.join(', ')}}`;
  const of = async (source: string): Promise<string> => {
    const hash = `count(*)::VARCHAR || ' ' || coalesce(sum(hash(${Object.keys(COLUMNS).join(', ')})::HUGEINT), 0)::VARCHAR`;
    const [row] = (await connection.runAndReadAll(`SELECT ${hash} AS print FROM ${source}`)).getRowObjectsJson();
    return String(row?.['print']);
  };
  const prints = [await of(`read_parquet('${parquet}')`), await of(`read_csv('${csv}', ${options})`)] as const;
  connection.closeSync();
  instance.closeSync();
  return prints;
}
