import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Product } from './product.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';

/** A place where nothing personal may turn up, and all that it holds as text. */
export interface Sink {
  readonly name: string;
  readonly text: string;
}

/** Every history of the namespace with its payloads decoded, and what is kept beside it: memos, search attributes, summaries. */
export async function historySinks({ endpoints }: Product): Promise<Sink[]> {
  const connection = await Connection.connect({ address: endpoints['temporal'] ?? '' });
  try {
    const client = new Client({ connection, namespace: endpoints['temporalNamespace'] ?? '', dataConverter });
    const sinks: Sink[] = [];
    for await (const { workflowId, runId } of client.workflow.list({})) {
      const handle = client.workflow.getHandle(workflowId, runId);
      const [history, description] = [await handle.fetchHistory(), await handle.describe()];
      sinks.push({ name: `history of ${workflowId}`, text: textsOf(history).join('\n') });
      sinks.push({ name: `description of ${workflowId}`, text: textsOf(description.raw).join('\n') });
    }
    return sinks;
  } finally {
    await connection.close();
  }
}

/** The logs of all our processes and servers; the mailbox is an outside party, and shows mails to whoever looks. */
export function logSinks({ endpoints, output }: Product): Sink[] {
  const folder = join(endpoints['dataDir'] ?? '', 'logs');
  const files = readdirSync(folder).filter((file) => !file.startsWith('mailbox'));
  const logs = files.map((file) => ({ name: `log ${file}`, text: readFileSync(join(folder, file), 'utf8') }));
  return [...logs, { name: 'what npm start prints', text: output() }];
}

export function metricSinks({ endpoints }: Product): Promise<Sink[]> {
  return Promise.all(
    ['metrics', 'temporalMetrics'].map(async (name) => ({ name, text: await (await fetch(endpoints[name] ?? '')).text() })),
  );
}

/** All strings of a value and, since payloads are bytes, what its bytes say. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('utf8')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, nested]) => [key, ...textsOf(nested)]);
}
