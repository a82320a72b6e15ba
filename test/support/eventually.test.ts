import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from './eventually.ts';

describe('eventually', () => {
  it('waits through errors, false and undefined, and returns what came then', async () => {
    const answers = [() => assert.fail('not yet'), () => false, () => undefined, () => 0];
    assert.equal(await eventually(() => answers.shift()?.(), { intervalMs: 1 }), 0);
  });

  it('says how long it waited, and why it was not enough', async () => {
    const waiting = eventually(() => assert.fail('never'), { timeoutMs: 5, intervalMs: 1 });
    await assert.rejects(waiting, (error: Error) => error.message.includes('5 ms') && (error.cause as Error).message === 'never');
  });
});
