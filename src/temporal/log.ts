import { DefaultLogger, type LogMetadata, type Logger as TemporalLogger } from '@temporalio/worker';
import type { Logger } from 'pino';

/** What may be told of the SDK's own words. Error texts are left out: they can quote inputs. */
const FIELDS = [
  'sdkComponent',
  'taskQueue',
  'workflowId',
  'runId',
  'workflowType',
  'activityType',
  'attempt',
  'tenantId',
  'operationId',
] as const;

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'debug', WARN: 'warn', ERROR: 'error' } as const;

/** Lets the SDK, and workflows through it, write into our log. What it calls info is our debug. */
export function createTemporalLogger(log: Logger): TemporalLogger {
  return new DefaultLogger('DEBUG', ({ level, message, meta }) => {
    log[LEVELS[level]](pick(meta), message);
  });
}

function pick(meta: LogMetadata | undefined): Record<string, unknown> {
  if (meta === undefined) return {};
  const known = Object.fromEntries(FIELDS.flatMap((field) => (meta[field] === undefined ? [] : [[field, meta[field]]])));
  const error: unknown = meta['error'];
  return error instanceof Error ? { ...known, error: error.name } : known;
}
