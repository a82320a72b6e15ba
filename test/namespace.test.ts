import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../src/contracts/pure/search-attributes.ts';
import { ensureNamespace } from '../src/temporal/namespace.ts';
import { ensureSearchAttributes } from '../src/temporal/search-attributes.ts';
import { useGround } from './support/ground.ts';

test('where the server lets nobody register search attributes, as on Temporal Cloud, the commands are told', async () => {
  const refuse = () => Promise.reject(new Error('permission denied'));
  // The two calls that are made of it.
  const connection = { operatorService: { listSearchAttributes: refuse, addSearchAttributes: refuse } } as unknown as NativeConnection;
  const commands = await ensureSearchAttributes(connection, 'ours.abc12');
  assert.deepEqual(
    commands,
    Object.values(SEARCH_ATTRIBUTES).map(
      (name) => `temporal operator search-attribute create --namespace ours.abc12 --name ${name} --type Keyword`,
    ),
  );
});

test('a namespace that is missing is made, with its search attributes; a second time there is nothing to do', async () => {
  const ground = await useGround();
  const connection = await NativeConnection.connect({ address: ground.temporalAddress });
  try {
    const namespace = `made-${randomUUID()}`;
    assert.deepEqual(await ensureNamespace(connection, namespace), []);
    assert.deepEqual(await ensureSearchAttributes(connection, namespace), []);
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    for (const name of Object.values(SEARCH_ATTRIBUTES)) assert.ok(customAttributes?.[name] !== undefined, name);
    assert.deepEqual(await ensureNamespace(connection, namespace), []);
    assert.deepEqual(await ensureSearchAttributes(connection, namespace), []);
  } finally {
    await connection.close();
  }
});
