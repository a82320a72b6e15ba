import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/**
 * Every time-out and retry rule by name. Attempts are unlimited where nothing but an outside party's return can end the wait; the
 * operation shows it, and people can cancel.
 */
export const PROFILES = {
  /** Rows of our own database: short, repeatable, tried until it is back. */
  bookkeeping: {
    startToCloseTimeout: '2s',
    localRetryThreshold: '5s',
    retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' },
  },
  /** Outside calls that may be slow. The heartbeat tells a killed worker from a slow server. */
  outside: {
    startToCloseTimeout: '10m',
    heartbeatTimeout: '10s',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
  },
  /** Processor and disk work beside the API, as long as it takes. The heartbeat tells a killed worker from a large file. */
  work: {
    startToCloseTimeout: '12h',
    heartbeatTimeout: '10s',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
  },
} as const satisfies Record<string, ActivityOptions & LocalActivityOptions>;
