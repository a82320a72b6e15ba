// Writes the history of a workflow that ran to test/replay, in the form that `temporal workflow show --output json` prints:
//   node scripts/record-histories.ts --address 127.0.0.1:7462 --namespace nightshift --workflow-id email:acme:… --output email/happy
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const ROOT = join(import.meta.dirname, '..');

interface Recording {
  readonly address: string;
  readonly namespace: string;
  readonly workflowId: string;
  /** One run of it; default: the last one. */
  readonly runId?: string | undefined;
  /** `<workflow>/<case>` under test/replay. */
  readonly output: string;
}

/** Fetches one history and writes it. Returns the path of the file. */
export async function recordHistory({ address, namespace, workflowId, runId, output }: Recording): Promise<string> {
  if (!/^[A-Za-z]+\/[a-z0-9-]+$/.test(output)) throw new Error(`--output is <workflow>/<case>, such as email/happy; not ${output}`);
  const path = join(ROOT, 'test/replay', `${output}.json`);
  const connection = await Connection.connect({ address });
  try {
    const handle = new Client({ connection, namespace }).workflow.getHandle(workflowId, runId);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, withoutMachine(historyToJSON(await handle.fetchHistory())));
  } finally {
    await connection.close();
  }
  return path;
}

/** Leaves out what tells of the machine it ran on: names of processes, folders in stack traces. Replay needs neither. */
function withoutMachine(history: string): string {
  const parsed: unknown = JSON.parse(history.replaceAll(`file://${ROOT}/`, '').replaceAll(`${ROOT}/`, ''), (key, value: unknown) =>
    key === 'identity' ? 'recorded' : value,
  );
  return `${JSON.stringify(parsed, undefined, 1)}\n`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      address: { type: 'string', default: '127.0.0.1:7233' },
      namespace: { type: 'string', default: 'nightshift' },
      'workflow-id': { type: 'string' },
      'run-id': { type: 'string' },
      output: { type: 'string' },
    },
  });
  const { address, namespace, 'workflow-id': workflowId, 'run-id': runId, output } = values;
  if (workflowId === undefined || output === undefined) throw new Error('Both --workflow-id and --output are needed.');
  console.log(await recordHistory({ address, namespace, workflowId, runId, output }));
}
