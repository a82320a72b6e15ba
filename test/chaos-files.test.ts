// What judges the files of a chaos run, with and without faults in what it looks at.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lateStrikes, rejectViolations } from '../chaos/files/table-judge.ts';
import { redoneIn } from '../chaos/files/timeline.ts';

describe('the judge of a table', () => {
  const faults = [
    { line: 4, column: 'id', code: 'wrong_type' },
    { line: 9, code: 'too_many_columns' },
  ];

  it('finds nothing in a report that has each fault once, in whatever order', () => {
    assert.deepEqual(rejectViolations(faults.toReversed(), faults), []);
  });

  it('finds a fault that is left out, made up, told twice, or told of another line, column or code', () => {
    for (const wrong of [{ line: 5 }, { column: 'amount' }, { column: undefined }, { code: 'missing_columns' }]) {
      const [first, second] = faults;
      const violations = rejectViolations(
        [{ line: 4, code: 'wrong_type', ...first, ...wrong }, ...(second === undefined ? [] : [second])],
        faults,
      );
      assert.equal(violations.length, 2, JSON.stringify(wrong));
    }
    assert.equal(rejectViolations(faults.slice(1), faults).length, 1);
    assert.equal(rejectViolations([...faults, ...faults], faults).length, 2);
  });

  it('takes no kill for one of the work that came after its end', () => {
    const strikes = [
      { target: 'work', at: new Date('2026-11-24T22:00:01.000Z') },
      { target: 'postgres', at: new Date('2026-11-24T22:00:05.000Z') },
    ] as const;
    assert.deepEqual(lateStrikes(strikes, '2026-11-24T22:00:09.000Z'), []);
    assert.deepEqual(lateStrikes(strikes, '2026-11-24T22:00:03.000Z'), ['kill 2 at the table, of postgres, came after its end']);
  });
});

describe('redone work', () => {
  it('is each further try at a step of the same run', () => {
    const step = { runId: 'r1', activity: 'checkFile', activityId: '2' };
    assert.equal(redoneIn([step, { ...step, activity: 'storeFile', activityId: '1' }, { ...step, runId: 'r2' }]), 0);
    assert.equal(redoneIn([step, step, { ...step, activity: 'storeFile', activityId: '1' }, step]), 2);
  });
});
