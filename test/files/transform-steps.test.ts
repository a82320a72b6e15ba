import assert from 'node:assert/strict';
import { it } from 'node:test';
import { stepMs } from '../../src/activities/files/transform-steps.ts';

/** Of one chunk, in parts of the work on it: how long it takes to pass over it. As it was measured of gzip. */
const WAY = 0.35;
const CHUNK_MS = 1_000;

it('a packed text takes a time in proportion to its length, though each step reads it from its beginning', () => {
  for (const chunks of [10, 100, 1_000, 10_000]) {
    let waysMs = 0;
    for (let done = 0; done < chunks;) {
      const wayMs = done * WAY * CHUNK_MS;
      waysMs += wayMs;
      const before = done;
      // As a step does it: it ends after the chunk in which its time is up.
      while (done < chunks && (done - before) * CHUNK_MS <= stepMs(wayMs)) done += 1;
    }
    // Half of the work, and the last way, after which there may be little left to do.
    assert.ok(waysMs <= chunks * CHUNK_MS * (0.5 + WAY), `${chunks} chunks: ${waysMs} ms on the way`);
  }
});
