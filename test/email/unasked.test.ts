// What becomes of a mail that may have arrived where nobody can be asked.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { useMailWorld } from './world.ts';

const world = useMailWorld();
const REPLY_LOST = { at: 'body', act: 'drop' } as const;

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
  world.canAsk(false);
});

async function duplicates(id: string): Promise<(number | undefined)[]> {
  const { body } = await world.call('GET', `/v1/emails/${id}`);
  return body.recipients.map((one: { possibleDuplicates?: number }) => one.possibleDuplicates);
}

describe('a mail whose answer was lost, where nobody can be asked', () => {
  test('is sent again with the same Message-ID when it is transactional, and that is counted', async () => {
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com'] });
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id).toSorted(), ['a@example.com', 'a@example.com', 'b@example.com']);
    assert.deepEqual(await duplicates(id), [1, undefined]);
    const sources = world.server().accepted.filter(({ messageId, recipient }) => messageId.includes(id) && recipient === 'a@example.com');
    assert.equal(sources[0]?.source, sources[1]?.source);
  });

  test('is sent three times more at most, and is then unknown', async () => {
    world.always(REPLY_LOST);
    const { id } = await world.send({ to: 'ada@example.com' });
    // A signal that comes while the mail is sent stays for the next wait, so waits are not told apart here.
    while (world.arrived(id).length < 4) {
      await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await world.reaches(id, 'unknown');
    assert.equal(world.arrived(id).length, 4);
    assert.deepEqual(await duplicates(id), [3]);
  });

  test('is sent once when it is bulk, or when the sender says so', async () => {
    for (const more of [{ category: 'bulk' }, { delivery: 'at_most_once' }]) {
      world.plan([REPLY_LOST]);
      const { id } = await world.send({ to: 'ada@example.com', ...more });
      await world.reaches(id, 'unknown');
      assert.equal(world.arrived(id).length, 1);
    }
  });

  test('is sent again when it is bulk and the sender says so', async () => {
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com', category: 'bulk', delivery: 'at_least_once_same_id' });
    await world.reaches(id, 'succeeded');
    assert.equal(world.arrived(id).length, 2);
  });

  test('is never repeated where there is somebody to ask', async () => {
    world.canAsk(true);
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com', delivery: 'at_least_once_same_id' });
    await world.reaches(id, 'succeeded');
    assert.equal(world.arrived(id).length, 1);
    assert.deepEqual(await duplicates(id), [undefined]);
  });

  test('is not called cancelled when it may have arrived', async () => {
    world.plan([undefined, undefined, REPLY_LOST, { at: 'rcpt', act: 'stall' }]);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com'] });
    while (world.arrived(id).length < 3) await new Promise((resolve) => setImmediate(resolve));
    await world.call('POST', `/v1/operations/${id}/cancel`, {});
    const { status, result } = await world.reaches(id, 'cancelled', 'unknown', 'succeeded', 'failed');
    const states = await world.recipients(id);
    const ofThird = states[2]?.split(': ')[1];
    // It may have been sent again before the cancel came.
    assert.ok(ofThird === 'unknown' || ofThird === 'sent', states.join());
    assert.equal(status, ofThird === 'unknown' ? 'unknown' : 'cancelled');
    assert.deepEqual([result?.['unknown'], result?.['cancelled']], [ofThird === 'unknown' ? 1 : 0, 1]);
  });
});
