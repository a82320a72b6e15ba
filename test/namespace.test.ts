import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../src/contracts/pure/search-attributes.ts';
import { ensureNamespace } from '../src/temporal/namespace.ts';
import { ensureSearchAttributes } from '../src/temporal/search-attributes.ts';
import { useGround } from './support/ground.ts';

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
