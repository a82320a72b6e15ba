// DuckDB by itself, one thread, the whole table in one go, with its report of rejects: what transforms are compared with.
//   node bench/baseline/duckdb.ts CSV PARQUET REJECTS   prints the CPU time in ms, the rows and the rejects as JSON
import { DuckDBInstance } from '@duckdb/node-api';

const [csv = '', parquet = '', rejects = ''] = process.argv.slice(2);
const COLUMNS = `{'id': 'BIGINT', 'customer': 'VARCHAR', 'note': 'VARCHAR', 'amount': 'DOUBLE'}`;
const READER = `read_csv('${csv}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', store_rejects = true,
  rejects_limit = 0, columns = ${COLUMNS})`;

const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '384MB' });
const connection = await instance.connect();
const before = process.cpuUsage();
const copied = await connection.runAndReadAll(`COPY (FROM ${READER}) TO '${parquet}' (FORMAT parquet, COMPRESSION zstd)`);
await connection.run(
  `COPY (SELECT line, column_name, error_type, left(csv_line, 200) AS text FROM reject_errors ORDER BY line) TO '${rejects}' (FORMAT json)`,
);
const used = process.cpuUsage(before);
const counted = await connection.runAndReadAll('SELECT count(DISTINCT line)::INTEGER AS n FROM reject_errors');
console.log(
  JSON.stringify({
    cpuMs: (used.user + used.system) / 1000,
    rows: Number(copied.getRowObjectsJson()[0]?.['Count']),
    rejects: counted.getRowObjectsJson()[0]?.['n'],
  }),
);
