import { TERMINAL_STATUSES } from '../../contracts/pure/operations.ts';
import type { OperationRow } from '../../store/operations.ts';
import type { ApiContext } from './context.ts';
import { createLatch } from './latch.ts';

/** Whether nothing will change any more. */
export function isTerminal(row: Pick<OperationRow, 'status'>): boolean {
  return (TERMINAL_STATUSES as readonly string[]).includes(row.status);
}

/** The operation once it has ended, or as it is when the time is over, the client has gone or the server stops. */
export async function waitForEnd(
  ctx: ApiContext,
  row: OperationRow,
  options: { readonly waitMs: number; readonly gone: AbortSignal },
): Promise<OperationRow> {
  if (options.waitMs === 0 || isTerminal(row)) return row;
  const stop = AbortSignal.any([options.gone, ctx.shuttingDown]);
  const until = performance.now() + options.waitMs;
  const latch = createLatch();
  const unsubscribe = ctx.hub.subscribe({ tenantId: row.tenant_id, id: row.id }, latch.raise);
  try {
    let current = row;
    do {
      current = (await ctx.store.operations.get(row.tenant_id, row.id)) ?? current;
      if (isTerminal(current)) break;
      await latch.wait(until - performance.now(), stop);
    } while (performance.now() < until && !stop.aborted);
    return current;
  } finally {
    unsubscribe();
  }
}
