import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Article, containedTax, priceQuote } from '../../src/contracts/checkout/pricing.ts';
import { CURRENCIES } from '../../src/contracts/currencies.ts';

function article(sku: string, unitAmount: number | undefined, more: Partial<Article> = {}): [string, Article] {
  return [sku, { sku, name: sku, unitAmount, taxBasisPoints: 1900, available: 1000, isActive: true, ...more }];
}

describe('the tax that a price contains', () => {
  test('is rounded half up to a whole minor unit', () => {
    const cases = [
      [119, 1900, 19],
      [100, 1900, 16], // 15.97
      [3, 2000, 1], // 0.5
      [9, 2000, 2], // 1.5
      [1, 1900, 0], // 0.16
      [3, 10_000, 2], // 1.5
      [0, 1900, 0],
      [1999, 0, 0],
      [107, 700, 7],
      [99_999_999, 2550, 20_318_725], // 20318724.9
    ] as const;
    for (const [amount, rate, tax] of cases) assert.equal(containedTax(amount, rate), tax, `${amount} at ${rate}`);
  });

  test('agrees with exact arithmetic, over 100,000 amounts and rates', () => {
    let seed = 7;
    const next = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (let index = 0; index < 100_000; index += 1) {
      const [amount, rate] = [next(99_999_999) * (1 + next(99)), next(10_001)];
      const [a, r] = [BigInt(amount), BigInt(rate)];
      const exact = (2n * a * r + 10_000n + r) / (2n * (10_000n + r));
      assert.equal(BigInt(containedTax(amount, rate)), exact, `${amount} at ${rate}`);
    }
  });
});

describe('a quote', () => {
  test('adds up in every currency that payments can be taken in', () => {
    for (const { code, multipleOf } of CURRENCIES.values()) {
      const articles = new Map([article('a', 370 * multipleOf), article('b', 10_010 * multipleOf, { taxBasisPoints: 700 })]);
      const items = [
        { sku: 'b', quantity: 3 },
        { sku: 'a', quantity: 7 },
      ];
      const shipping = { amount: 11 * multipleOf, freeFromAmount: null, taxBasisPoints: 1900 };
      const quote = priceQuote({ currency: code, items, articles, shipping });
      const sum = quote.lines.reduce((total, line) => total + line.amount, 0);
      assert.equal(quote.totalAmount, sum + quote.shippingAmount, code);
      assert.equal(quote.totalAmount % multipleOf, 0, code);
      assert.deepEqual(quote.faults, [], code);
      const taxes = quote.lines.reduce((total, line) => total + line.taxAmount, 0) + containedTax(shipping.amount, 1900);
      assert.equal(quote.taxAmount, taxes, code);
      assert.deepEqual(
        quote.lines.map(({ sku }) => sku),
        ['a', 'b'],
      );
    }
  });

  test('has the same hash in whatever order the lines were put in, and another for each thing that was agreed to', () => {
    const articles = new Map([article('a', 100), article('b', 200)]);
    const [one, two] = [
      { sku: 'a', quantity: 1 },
      { sku: 'b', quantity: 2 },
    ];
    const hashOf = (more: Partial<Parameters<typeof priceQuote>[0]> = {}): string =>
      priceQuote({ currency: 'EUR', items: [one, two], articles, shipping: undefined, ...more }).quoteHash;
    assert.equal(hashOf(), hashOf({ items: [two, one] }));
    const others = [
      hashOf({ items: [one] }),
      hashOf({ items: [one, { sku: 'b', quantity: 3 }] }),
      hashOf({ currency: 'USD' }),
      hashOf({ shipping: { amount: 100, freeFromAmount: null, taxBasisPoints: 0 } }),
      hashOf({ articles: new Map([article('a', 101), article('b', 200)]) }),
      hashOf({ articles: new Map([article('a', 100, { taxBasisPoints: 700 }), article('b', 200)]) }),
    ];
    assert.equal(new Set([hashOf(), ...others]).size, others.length + 1);
    assert.equal(hashOf(), hashOf({ articles: new Map([article('a', 100, { available: 5 }), article('b', 200)]) }));
  });

  test('says why it can not be bought', () => {
    const articles = new Map([
      article('free', 0),
      article('dear', 90_000_000),
      article('cheap', 24),
      article('gone', 100, { isActive: false }),
      article('elsewhere', undefined),
      article('few', 100, { available: 1 }),
    ]);
    const faultsOf = (sku?: string, quantity = 2) =>
      priceQuote({ currency: 'EUR', items: sku === undefined ? [] : [{ sku, quantity }], articles, shipping: undefined }).faults;
    assert.deepEqual(faultsOf(), [{ code: 'empty' }]);
    assert.deepEqual(faultsOf('free'), [{ code: 'nothing_to_pay' }]);
    assert.deepEqual(faultsOf('dear'), [{ code: 'not_payable' }]);
    assert.deepEqual(faultsOf('cheap'), [{ code: 'not_payable' }], 'less than Stripe takes');
    assert.deepEqual(faultsOf('cheap', 3), []);
    assert.deepEqual(faultsOf('gone'), [{ sku: 'gone', code: 'not_for_sale' }]);
    assert.deepEqual(faultsOf('unknown'), [{ sku: 'unknown', code: 'not_for_sale' }]);
    assert.deepEqual(faultsOf('elsewhere'), [{ sku: 'elsewhere', code: 'no_price' }]);
    assert.deepEqual(faultsOf('few'), [{ sku: 'few', code: 'out_of_stock' }]);
  });
});
