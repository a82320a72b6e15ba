import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { afterQuietHours, isKnownZone, nextQuietHours } from '../../src/activities/checkout/quiet-hours.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Each with both changes of its clock in 2026, where it has any, and one that has half hours, quarters or shifts by 30 minutes. */
const ZONES = {
  'Europe/Berlin': ['2026-03-29T01:00Z', '2026-10-25T01:00Z'],
  'America/New_York': ['2026-03-08T07:00Z', '2026-11-01T06:00Z'],
  'Australia/Lord_Howe': ['2026-04-04T15:00Z', '2026-10-03T15:30Z'],
  'America/St_Johns': ['2026-03-08T05:30Z', '2026-11-01T04:30Z'],
  'Pacific/Chatham': ['2026-04-04T14:00Z', '2026-09-26T14:00Z'],
  'Asia/Kathmandu': ['2026-06-01T00:00Z'],
  'Africa/Casablanca': ['2026-02-15T02:00Z', '2026-03-22T02:00Z'],
} as const;

/** Whether it is night at each minute, found by looking at the clock. */
function minutes(from: number, count: number, timeZone: string): readonly boolean[] {
  const clock = new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', hourCycle: 'h23' });
  return Array.from({ length: count }, (_, index) => {
    const hour = Number(clock.format(from + index * MINUTE_MS));
    return hour >= 21 || hour < 8;
  });
}

function local(at: Date, timeZone: string): string {
  return new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(at);
}

for (const [timeZone, changes] of Object.entries(ZONES)) {
  describe(`quiet hours in ${timeZone}`, () => {
    for (const change of changes) {
      test(`end and begin by its clock around ${change}`, () => {
        const from = Date.parse(change.replace('Z', ':00Z')) - 30 * HOUR_MS;
        const isQuiet = minutes(from, 110 * 60, timeZone);
        const instant = (minute: number): Date => new Date(from + minute * MINUTE_MS);
        for (let minute = 0; minute < 60 * 60; minute += 17) {
          const awake = isQuiet.indexOf(false, minute);
          const night = isQuiet.indexOf(true, awake);
          const seen = local(instant(minute), timeZone);
          assert.equal(afterQuietHours(instant(minute), timeZone).toISOString(), instant(awake).toISOString(), seen);
          assert.equal(nextQuietHours(instant(awake), timeZone).toISOString(), instant(night).toISOString(), seen);
        }
      });
    }
  });
}

describe('quiet hours', () => {
  test('last ten hours in the night in which the clock is set forward, twelve in that in which it is set back', () => {
    const zone = 'Europe/Berlin';
    assert.equal(local(new Date('2026-03-28T20:00Z'), zone), '2026-03-28 21:00');
    assert.equal(afterQuietHours(new Date('2026-03-28T20:00Z'), zone).toISOString(), '2026-03-29T06:00:00.000Z');
    assert.equal(afterQuietHours(new Date('2026-10-24T19:00Z'), zone).toISOString(), '2026-10-25T07:00:00.000Z');
  });

  test('know the half hour of Lord Howe and the quarters of Nepal', () => {
    assert.equal(afterQuietHours(new Date('2026-10-03T12:00Z'), 'Australia/Lord_Howe').toISOString(), '2026-10-03T21:00:00.000Z');
    assert.equal(afterQuietHours(new Date('2026-04-04T12:00Z'), 'Australia/Lord_Howe').toISOString(), '2026-04-04T21:30:00.000Z');
    assert.equal(afterQuietHours(new Date('2026-06-01T18:00Z'), 'Asia/Kathmandu').toISOString(), '2026-06-02T02:15:00.000Z');
  });

  test('end where a clock that was set forward passed over their end', () => {
    // Samoa went from 29 to 31 December 2011 at midnight, over a whole day.
    assert.equal(afterQuietHours(new Date('2011-12-30T08:00Z'), 'Pacific/Apia').toISOString(), '2011-12-30T18:00:00.000Z');
  });

  test('leave the day alone, to the millisecond', () => {
    for (const at of ['2026-11-25T07:00:00.000Z', '2026-11-25T19:59:59.999Z', '2026-11-25T12:34:56.789Z'])
      assert.equal(afterQuietHours(new Date(at), 'Europe/Berlin').toISOString(), at);
    assert.equal(afterQuietHours(new Date('2026-11-25T06:59:59.999Z'), 'Europe/Berlin').toISOString(), '2026-11-25T07:00:00.000Z');
  });

  test('are known of zones that exist', () => {
    assert.deepEqual(['Europe/Berlin', 'Mars/Olympus', ''].map(isKnownZone), [true, false, false]);
  });
});
