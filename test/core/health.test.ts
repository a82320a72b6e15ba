import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkQueues } from '../../src/temporal/health.ts';
import { useCore } from '../support/core-fixture.ts';
import { eventually } from '../support/eventually.ts';

const fixture = useCore();

test('a queue says whether a worker serves it', async () => {
  const { temporal } = fixture.core().serving;
  await eventually(async () => {
    const { mail, nobody } = await checkQueues(temporal, ['mail', 'nobody'], new Date());
    assert.deepEqual(mail, { ok: true });
    assert.deepEqual([nobody?.ok, nobody?.detail?.split(':')[0]], [false, 'warming']);
    return true;
  });
  const later = await checkQueues(temporal, ['mail'], new Date(Date.now() + 3_600_000));
  assert.equal(later['mail']?.ok, false);
});
