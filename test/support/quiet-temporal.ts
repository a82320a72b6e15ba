import { DefaultLogger, Runtime } from '@temporalio/worker';

/** Keeps Temporal's own log lines below errors out of the test output. Once a process, before its first worker or connection. */
export function quietTemporal(): void {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
}
