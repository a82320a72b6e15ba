// What looks like the number of a payment card, and what does not.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { holdsCardNumber } from '../../src/contracts/card-numbers.ts';

const MANY = 20_000;

describe('digits that look like a card', () => {
  test('are seen whatever is written before, between and behind them', () => {
    for (const text of [
      ...['4242424242424242', '4242 4242 4242 4242', '4242-4242-4242-4242', '4242.4242.4242.4242', '4242\u00A04242\u00A04242\u00A04242'],
      ...[
        '4242 4242 4242 4242 12/27',
        '4242424242424242 12/27 123',
        '4242424242424242 123',
        '1 4242424242424242',
        '7 4242 4242 4242 4242 7',
      ],
      ...['4242/4242/4242/4242', '4242_4242_4242_4242', '4242  4242  4242  4242', '4242-4242-4242-4242-12-27', '4242 - 4242 - 4242 - 4242'],
      ...[
        'a4242424242424242',
        '4242424242424242x',
        'card:4242424242424242,ok',
        '４２４２４２４２４２４２４２４２',
        '42 42 42 42 42 42 42 42',
      ],
      ...[
        '378282246310005',
        '3782 822463 10005',
        '30569309025904',
        '5555-5555-5555-4444',
        '2223003122003222',
        '6011111111111117',
        '3530111333300000',
      ],
    ])
      assert.ok(holdsCardNumber(text), text);
  });

  test('are not seen in barcodes, telephone numbers, dates and counters', () => {
    for (const text of [
      ...['4006381333931', '1234567812345678', '4242424242424241', '+49 170 1234567', '+49 170 1234567, 0171/7654321', '20261125101530'],
      ...['2026-11-25 10:15', '2026-11-25T10:15:30.123Z', '23.12.2026 - 27.12.2026', '2026-11-25/2026-12-24', 'ORD-2026-424242-424242'],
    ])
      assert.ok(!holdsCardNumber(text), text);
  });

  test('are in no id, hash or instant of ours', () => {
    for (let index = 0; index < MANY; index += 1) {
      const id = randomUUID();
      const at = new Date(1_700_000_000_000 + index * 31_536_789).toISOString();
      const hash = createHash('sha256').update(id).digest();
      for (const text of [id, `order/${id} of cart/${randomUUID()}`, at, `${at} ${at}`, hash.toString('hex'), hash.toString('base64url')])
        assert.ok(!holdsCardNumber(text), text);
    }
  });
});
