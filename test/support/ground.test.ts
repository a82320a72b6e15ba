// What every other test stands on.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/pure/search-attributes.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { bundleWorkflows } from './bundle.ts';
import { eventually } from './eventually.ts';
import { useGround } from './ground.ts';
import { quietTemporal } from './quiet-temporal.ts';
import { useSkippedTime } from './skipped-time.ts';

const TASK_QUEUE = 'core';
const HOUR_MS = 3_600_000;

quietTemporal();
const ground = await useGround();
const { code } = await bundleWorkflows('test/support/workflows/nap.ts');
const tenant = defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD);

describe('the ground of the tests', () => {
  it('gives a migrated database to a login that owns nothing', async () => {
    const database = new pg.Client({ connectionString: ground.databaseUrl });
    await database.connect();
    try {
      const { rows } = await database.query<{ owned: string; tables: string }>(
        `select count(*) filter (where tableowner = current_user) as owned, count(*) as tables from pg_tables where schemaname = 'public'`,
      );
      assert.equal(rows[0]?.owned, '0');
      assert.notEqual(rows[0]?.tables, '0');
    } finally {
      await database.end();
    }
  });

  it('gives a namespace whose workflows are found by our search attributes, and whose short timers are short', async () => {
    const connection = await Connection.connect({ address: ground.temporalAddress });
    const nativeConnection = await NativeConnection.connect({ address: ground.temporalAddress });
    after(async () => {
      await connection.close();
      await nativeConnection.close();
    });
    const client = new Client({ connection, namespace: ground.namespace, dataConverter });
    const worker = await Worker.create({
      connection: nativeConnection,
      namespace: ground.namespace,
      dataConverter,
      taskQueue: TASK_QUEUE,
      workflowBundle: { code },
    });
    await worker.runUntil(async () => {
      const startedAt = Date.now();
      const { wokeAt } = await client.workflow.execute<(input: { durationMs: number }) => Promise<{ wokeAt: number }>>('nap', {
        workflowId: 'nap',
        taskQueue: TASK_QUEUE,
        args: [{ durationMs: 100 }],
        typedSearchAttributes: [{ key: tenant, value: 'acme' }],
      });
      assert.ok(wokeAt - startedAt >= 100);
    });
    await eventually(async () => (await client.workflow.count(`${SEARCH_ATTRIBUTES.tenant} = 'acme'`)).count === 1);
  });

  it('skips three days in a moment', async () => {
    const environment = await useSkippedTime();
    after(() => environment.teardown());
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      dataConverter,
      taskQueue: TASK_QUEUE,
      workflowBundle: { code },
    });
    const startedAt = Date.now();
    const { wokeAt } = await worker.runUntil(
      environment.client.workflow.execute<(input: { durationMs: number }) => Promise<{ wokeAt: number }>>('nap', {
        workflowId: 'nap',
        taskQueue: TASK_QUEUE,
        args: [{ durationMs: 72 * HOUR_MS }],
        typedSearchAttributes: [{ key: tenant, value: 'acme' }],
      }),
    );
    assert.ok(wokeAt - startedAt >= 72 * HOUR_MS);
    assert.ok(Date.now() - startedAt < HOUR_MS);
  });
});
