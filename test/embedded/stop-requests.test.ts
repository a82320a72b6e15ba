import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createStopRequests } from '../../src/embedded/stop-requests.ts';

describe('signals', () => {
  it('are one wish when Ctrl-C comes from the terminal and from npm, and a later one ends all at once', () => {
    let nowMs = 0;
    const did: string[] = [];
    const { ask, requests } = createStopRequests(() => nowMs);
    requests.onStop(() => did.push('stopped'));
    requests.onForce(() => did.push('forced'));
    for (nowMs of [0, 20, 999]) ask();
    assert.deepEqual(did, ['stopped']);
    nowMs = 1_000;
    ask();
    assert.deepEqual(did, ['stopped', 'forced']);
  });

  it('give up a start that has nothing to stop yet', () => {
    let nowMs = 0;
    const { ask, requests } = createStopRequests(() => nowMs);
    assert.equal(ask(), 'heard');
    assert.ok(requests.isAsked());
    nowMs = 2_000;
    assert.equal(ask(), 'give_up');
  });
});
