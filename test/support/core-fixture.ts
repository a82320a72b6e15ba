import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { OperationRow } from '../../src/store/operations.ts';
import { type Core, startCore } from './core.ts';
import { eventually } from './eventually.ts';
import { useGround } from './ground.ts';
import { PROBE_KIND } from './probe.ts';

export const TEST_ACTOR = { actor: 'key:test' };

export interface CoreFixture {
  core(): Core;
  tenantId(): string;
  /** Accepts a probe with these steps. */
  start(steps: readonly object[], more?: object): Promise<OperationRow>;
  /** Waits until the operation has one of these statuses. */
  reaches(id: string, ...statuses: readonly string[]): Promise<OperationRow>;
  /** Waits until the operation shows this phase. */
  shows(id: string, phase: string): Promise<OperationRow>;
}

/** One core and one tenant for all tests of a file. */
export function useCore(): CoreFixture {
  let core: Core;
  let tenantId: string;
  before(async () => {
    core = await startCore(await useGround());
    tenantId = await core.newTenant();
  });
  after(() => core[Symbol.asyncDispose]());

  async function start(steps: readonly object[], more: object = {}): Promise<OperationRow> {
    const accepted = await core.deps.store.operations.accept({
      tenantId,
      kind: PROBE_KIND,
      input: { steps },
      start: {},
      actor: TEST_ACTOR,
      now: new Date(),
      ...more,
    });
    assert.ok(accepted.outcome === 'created', accepted.outcome);
    return accepted.operation;
  }

  function until(id: string, holds: (row: OperationRow) => boolean): Promise<OperationRow> {
    return eventually(async () => {
      const row = await core.deps.store.operations.get(tenantId, id);
      assert.ok(row !== undefined && holds(row), `${row?.status} ${row?.phase} ${JSON.stringify(row?.error)}`);
      return row;
    });
  }

  return {
    core: () => core,
    tenantId: () => tenantId,
    start,
    reaches: (id, ...statuses) => until(id, (row) => statuses.includes(row.status)),
    shows: (id, phase) => until(id, (row) => row.phase === phase),
  };
}
