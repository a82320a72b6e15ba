import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config.ts';
import { dataConverter } from './data-converter.ts';

const DEFAULT_NAMESPACE = 'nightshift';

export interface TemporalConnection extends AsyncDisposable {
  /** The process's one connection: the worker and the client share it, so that eager start works. */
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly namespace: string;
}

/** Connects as `TEMPORAL_*` settings or a profile of Temporal's own configuration file say. */
export async function connectTemporal(config: Pick<Config, 'environment' | 'temporal'>): Promise<TemporalConnection> {
  const profile = loadClientConnectConfig({ overrideEnvVars: definedOnly(config.environment) });
  const namespace = config.temporal.namespace ?? profile.namespace ?? DEFAULT_NAMESPACE;
  const connection = await NativeConnection.connect(profile.connectionOptions);
  const client = new Client({ connection, namespace, dataConverter });
  return { connection, client, namespace, [Symbol.asyncDispose]: () => connection.close() };
}

function definedOnly(environment: Config['environment']): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
