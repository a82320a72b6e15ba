import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../src/contracts/pure/search-attributes.ts';
import { ensureNamespace } from '../src/temporal/namespace.ts';
import { ensureSearchAttributes } from '../src/temporal/search-attributes.ts';
import { eventually } from './support/eventually.ts';
import { useGround } from './support/ground.ts';

/** A connection that lets nobody look at search attributes or register them, as Temporal Cloud does. */
function closed(workflowService: object): NativeConnection {
  const operatorService = { listSearchAttributes: refuse, addSearchAttributes: refuse };
  // The calls that are made of it.
  return { operatorService, workflowService } as unknown as NativeConnection;
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('permission denied'));
}

test('where the server lets nobody register search attributes, the commands are told; on Temporal Cloud those of its own tool', async () => {
  const connection = closed({ countWorkflowExecutions: refuse });
  const names = Object.values(SEARCH_ATTRIBUTES);
  assert.deepEqual(
    await ensureSearchAttributes(connection, 'ours'),
    names.map((name) => `temporal operator search-attribute create --namespace ours --name ${name} --type Keyword`),
  );
  const asked = names.map((name) => `--search-attribute "${name}=Keyword"`).join(' ');
  assert.deepEqual(await ensureSearchAttributes(connection, 'ours.abc12'), [
    `tcld namespace search-attributes add --namespace ours.abc12 ${asked}`,
  ]);
});

test('a namespace that is missing is made, with its search attributes; a second time there is nothing to do', async () => {
  const ground = await useGround();
  const connection = await NativeConnection.connect({ address: ground.temporalAddress });
  try {
    const namespace = `made-${randomUUID()}`;
    assert.deepEqual(await ensureNamespace(connection, namespace), []);
    const asGuest = closed(connection.workflowService);
    assert.equal((await ensureSearchAttributes(asGuest, namespace)).length, Object.values(SEARCH_ATTRIBUTES).length);
    assert.deepEqual(await ensureSearchAttributes(connection, namespace), []);
    await eventually(async () => (await ensureSearchAttributes(asGuest, namespace)).length === 0);
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    for (const name of Object.values(SEARCH_ATTRIBUTES)) assert.ok(customAttributes?.[name] !== undefined, name);
    assert.deepEqual(await ensureNamespace(connection, namespace), []);
    assert.deepEqual(await ensureSearchAttributes(connection, namespace), []);
  } finally {
    await connection.close();
  }
});
