// The judge of checkout must see what planted faulty evidence shows; its provider's journal is one that the simulator wrote.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createPayments } from '../src/adapters/payments.ts';
import type { Outcome } from '../src/adapters/payments.ts';
import type { CheckoutEvidence, OrderEvidence } from '../chaos/checkout/evidence.ts';
import { judgeCheckout } from '../chaos/checkout/judge.ts';
import { readProvider } from '../chaos/checkout/journal.ts';
import type { ProviderEvidence } from '../chaos/checkout/journal.ts';
import { Mailboxes } from '../chaos/checkout/mailboxes.ts';
import { CROWD_SKU, CROWD_STOCK, planAfterwards, planBuyers, planCrowd, SKUS, STOCK } from '../chaos/checkout/plan.ts';
import type { Buyer } from '../chaos/checkout/plan.ts';
import { ReturnNews } from '../chaos/checkout/return-news.ts';
import type { JournalEntry } from '../chaos/email/journal.ts';
import { openTwin } from './support/stripe-twin.ts';
import type { OpenTwin } from './support/stripe-twin.ts';

const RETURN_URL = 'https://shop.example.com/back';
const STEP = { activity: 'openOrder', activityId: '1', runId: 'r', attempt: 1 };
const BUYER: Buyer = {
  ...{ ordinal: 0, behaviour: 'card', email: 'm0-0@chaos.example', currency: 'EUR', sku: SKUS[0], quantity: 2 },
  ...{ methods: ['pm_card_visa'], isDouble: false, refunds: [], wantsReminders: true, optsOutAfterMs: undefined },
};
const LEFT: Buyer = { ...BUYER, ordinal: 1, behaviour: 'leaves', email: 'm1-0@chaos.example', methods: [] };
const RETURNED: Buyer = { ...BUYER, behaviour: 'comes_back' };
const UNSUBSCRIBED: Buyer = { ...LEFT, behaviour: 'unsubscribes' };

const CROWDED: Buyer = { ...BUYER, ordinal: 2, behaviour: 'crowds', sku: CROWD_SKU, quantity: 1, wantsReminders: false };
const LAST = { sku: CROWD_SKU, stock: CROWD_STOCK, available: CROWD_STOCK };

let twin: OpenTwin;
let provider: ProviderEvidence;
let twice: ProviderEvidence;
let reserved: ProviderEvidence;
let refunded: ProviderEvidence;

/** What the simulator writes down of these payments of an order. */
async function provide(...payments: readonly { readonly key: string; readonly isManual?: true; readonly refund?: number }[]) {
  const earlier = (await twin.audit()).length;
  const driver = createPayments(twin.account);
  const owner = { tenantId: 'default', orderId: 'o1' };
  for (const { key, isManual, refund } of payments) {
    const captureMethod = isManual === true ? 'manual' : 'automatic';
    const { id: intentId } = valueOf(
      await driver.createIntent({ owner, key: `${key}-i`, money: { amount: 3998, currency: 'EUR' }, captureMethod }),
    );
    valueOf(await driver.confirmIntent({ key: `${key}-c`, intentId, paymentMethod: 'pm_card_visa', returnUrl: RETURN_URL }));
    if (refund !== undefined) valueOf(await driver.createRefund({ key: `${key}-r`, owner, intentId, amount: refund }));
  }
  return readProvider((await twin.audit()).slice(earlier));
}

function valueOf<T>(outcome: Outcome<T>): T {
  return outcome.outcome === 'done' ? outcome.value : assert.fail(JSON.stringify(outcome));
}

before(async () => {
  twin = await openTwin();
  provider = await provide({ key: 'a' });
  twice = await provide({ key: 'b' }, { key: 'c' });
  reserved = await provide({ key: 'd', isManual: true });
  refunded = await provide({ key: 'e', refund: 1000 });
});
after(() => twin[Symbol.asyncDispose]());

function order(change: Partial<OrderEvidence> = {}): OrderEvidence {
  return {
    ...{ buyer: BUYER, id: 'o1', orderIds: ['o1'], status: 'succeeded', error: undefined, refunds: [], steps: [STEP, STEP] },
    order: { id: 'o1', state: 'paid', totalAmount: 3998, currency: 'EUR', capturedAmount: 3998, refundedAmount: 0 },
    ...{ acknowledgedAt: Date.now(), seenPaidAt: Date.now() + 60_000, seenStates: ['created', 'paid'], toldStates: ['created', 'paid'] },
    ...change,
  };
}

function ended(status: string, change: Partial<OrderEvidence> = {}): readonly OrderEvidence[] {
  return [order({ status, buyer: { ...BUYER, behaviour: 'approves' }, ...change })];
}

function amounts(capturedAmount: number, refundedAmount: number): NonNullable<OrderEvidence['order']> {
  return { id: 'o1', state: 'paid', totalAmount: 3998, currency: 'EUR', capturedAmount, refundedAmount };
}

function mail(subject: string, change: Partial<JournalEntry> = {}): JournalEntry {
  return { at: 1_000, outcome: 'accepted', recipient: BUYER.email, messageId: `<${subject}@mail>`, subject, mentioned: [], ...change };
}

const RECEIPT = mail('Your receipt for order 1');
const REMINDED = mail('Your cart at the shop is still here', { recipient: LEFT.email });

function books(change: Readonly<Record<string, number>> = {}): CheckoutEvidence['accounts'] {
  const paid = { provider_clearing: 3998 - 85, provider_fees: 85, customer_receivable: 0, revenue: -3360, tax_payable: -638 };
  return Object.entries({ ...paid, ...change }).map(([account, balance]) => ({ account, currency: 'EUR', balance }));
}

function pieces(stock: number, available = stock): CheckoutEvidence['products'] {
  return SKUS.map((sku, index) => (index === 0 ? { sku, stock, available } : { sku, stock: STOCK, available: STOCK }));
}

function evidence(change: Partial<CheckoutEvidence> = {}): CheckoutEvidence {
  return {
    ...{ buyers: [BUYER, LEFT], orders: [order()], left: new Set([1]), soldOut: new Set(), optedOutAt: new Map(), provider },
    ...{ mails: [RECEIPT, REMINDED], products: pieces(STOCK - 2), accounts: books() },
    ...change,
  };
}

/** With the books of whatever the provider has, so that only what is planted is wrong. */
function withProvider(other: ProviderEvidence): Partial<CheckoutEvidence> {
  const [net, fees] = [other.net.get('EUR') ?? 0, other.fees.get('EUR') ?? 0];
  return { provider: other, accounts: books({ provider_clearing: net, provider_fees: fees, revenue: -net - fees, tax_payable: 0 }) };
}

function strange(): ProviderEvidence {
  const [money] = provider.orders.values();
  return { ...provider, orders: new Map([...provider.orders, ['o2', { ...(money ?? assert.fail('It has an order.')), orderId: 'o2' }]]) };
}

describe('the judge of checkout', () => {
  test('finds nothing where there is nothing', () => {
    const { violations, redone, unknown } = judgeCheckout(evidence());
    assert.deepEqual([violations, redone, unknown], [[], 1, []]);
  });

  test('finds nothing in what was given back, nor in an order that came to nothing', () => {
    const given = { refunds: [{ id: 'r1', amount: 1000, status: 'succeeded' }], order: amounts(3998, 1000) };
    assert.deepEqual(judgeCheckout(evidence({ ...withProvider(refunded), orders: [order(given)] })).violations, []);
    const nothing = readProvider([]);
    const failed = ended('failed', { order: amounts(0, 0), seenPaidAt: undefined });
    const all = { ...withProvider(nothing), orders: failed, mails: [REMINDED], products: pieces(STOCK) };
    assert.deepEqual(judgeCheckout(evidence(all)).violations, []);
  });

  test('finds nothing in a refund that the bank sent back, and sees one that was never noticed', async () => {
    const returned = { ...refunded, orders: provider.orders };
    const buyer: Buyer = { ...BUYER, behaviour: 'refund_fails' };
    const refunds = [{ id: 'r1', amount: null, status: 'succeeded' }];
    assert.deepEqual(judgeCheckout(evidence({ ...withProvider(returned), orders: [order({ buyer, refunds })] })).violations, []);
    const unnoticed = order({ buyer, refunds, order: amounts(3998, 3998) });
    assert.match(
      judgeCheckout(evidence({ ...withProvider(returned), orders: [unnoticed] })).violations.join(),
      /the API says 3998 taken and 3998/,
    );
  });

  test('lets an order wait for a person, who is told', () => {
    const stuck = { ...amounts(3998, 0), stuck: { reason: 'refund_failed' } };
    assert.deepEqual(judgeCheckout(evidence({ orders: [order({ status: 'running', order: stuck })] })).violations, []);
  });

  test('finds nothing in who bought when reminded, nor in who unsubscribed by the mail', () => {
    const reminded = mail('Your cart at the shop is still here');
    const bought = { buyers: [RETURNED, LEFT], orders: [order({ buyer: RETURNED })], left: new Set([0, 1]) };
    const { violations, figures } = judgeCheckout(evidence({ ...bought, mails: [RECEIPT, REMINDED, reminded] }));
    assert.deepEqual([violations, figures['bought when reminded']], [[], 1]);
    const away = judgeCheckout(evidence({ buyers: [BUYER, UNSUBSCRIBED], optedOutAt: new Map([[1, 2_000]]) }));
    assert.deepEqual([away.violations, away.figures['unsubscribed by the mail']], [[], 1]);
  });

  test('lets a cart be spoken of again whose order came to nothing', () => {
    const orders = ended('failed', { order: amounts(0, 0), seenPaidAt: undefined, acknowledgedAt: 1_000 });
    const mails = [REMINDED, mail('Your cart at the shop is still here', { at: 90_000 })];
    const all = { ...withProvider(readProvider([])), orders, mails, products: pieces(STOCK) };
    assert.deepEqual(judgeCheckout(evidence(all)).violations, []);
  });

  const faulty: Readonly<Record<string, readonly [() => Partial<CheckoutEvidence>, RegExp]>> = {
    'a buyer who got no answer': [() => ({ buyers: [BUYER, LEFT, { ...BUYER, ordinal: 2 }] }), /buyer 2 was never acknowledged/],
    'two charges for one order': [() => withProvider(twice), /was charged twice/],
    'two payments for one order': [() => withProvider(twice), /has 2 payments/],
    'money that stays reserved': [
      () => ({ ...withProvider(reserved), orders: ended('failed', { order: amounts(0, 0) }) }),
      /still reserved/,
    ],
    'an order that the API has forgotten': [() => ({ orders: [order({ status: 'missing', order: undefined })] }), /is lost/],
    'two orders of a cart': [() => ({ orders: [order({ orderIds: ['o1', 'o2'] })] }), /one of 2 orders/],
    'an order that never ended': [() => ({ orders: [order({ status: 'running' })] }), /has not ended/],
    'a paid order that is called failed': [() => ({ orders: ended('failed') }), /is failed, and 3998 were kept/],
    'a card that should have paid': [() => ({ orders: [order({ status: 'failed', error: 'x' })] }), /should have been paid/],
    'a success without money': [() => ({ ...withProvider(readProvider([])) }), /without money/],
    'another amount by the API': [() => ({ orders: [order({ order: amounts(3997, 0) })] }), /the API says 3997 taken/],
    'an order that costs something else': [
      () => ({ orders: [order({ order: { ...amounts(3998, 0), totalAmount: 3999 } })] }),
      /costs 3999, the payment is of 3998/,
    ],
    'money shown before it was there': [() => ({ orders: [order({ seenPaidAt: 1 })] }), /shown as paid before/],
    'money that was shown and then was not': [
      () => ({ orders: [order({ seenStates: ['created', 'paid', 'needs_payment_method', 'paid'] })] }),
      /was shown as paid, and then as needs_payment_method/,
    ],
    'money that the host application was told of, and then was not': [
      () => ({ orders: [order({ toldStates: ['created', 'paid', 'created', 'paid'] })] }),
      /was told to be paid, and then to be created/,
    ],
    'a refund that the provider never made': [
      () => ({ orders: [order({ refunds: [{ id: 'r1', amount: 1000, status: 'succeeded' }] })] }),
      /1000 should have been given back, 0 were/,
    ],
    'a refund that nobody asked for': [
      () => ({ ...withProvider(refunded), orders: [order({ order: amounts(3998, 1000) })] }),
      /0 should have been given back/,
    ],
    'a refund that failed': [
      () => ({ orders: [order({ refunds: [{ id: 'r1', amount: 1, status: 'failed' }] })] }),
      /refund r1 .* is failed/,
    ],
    'a refund that never ended': [
      () => ({ orders: [order({ refunds: [{ id: 'r1', amount: 1, status: 'running' }] })] }),
      /refund r1 .* has not ended/,
    ],
    'money of nobody': [() => ({ provider: strange() }), /o2 is no order that anybody knows/],
    'books that differ from the balance': [() => ({ accounts: books({ provider_clearing: 3912, revenue: -3359 }) }), /books have 3912 EUR/],
    'fees that differ': [() => ({ accounts: books({ provider_fees: 84, revenue: -3359 }) }), /84 EUR of fees/],
    'books that do not add up': [() => ({ accounts: books({ revenue: -3361 }) }), /add up to -1/],
    'a buyer who owes': [() => ({ accounts: books({ customer_receivable: 5, revenue: -3365 }) }), /owe 5 EUR/],
    'pieces that vanished': [() => ({ products: pieces(STOCK - 3) }), /pieces should be left/],
    'pieces sold twice': [() => ({ products: pieces(STOCK - 1) }), /pieces should be left/],
    'pieces put aside for ever': [() => ({ products: pieces(STOCK - 2, STOCK - 4) }), /2 pieces are put aside/],
    'a crowd that was sent home while there were pieces': [
      () => ({ buyers: [BUYER, LEFT, CROWDED], soldOut: new Set([2]), products: [...pieces(STOCK - 2), LAST] }),
      /0 of 50 pieces of chaos-last were sold, 1 buyers sent home/,
    ],
    'somebody who was told both': [
      () => ({
        ...{ buyers: [BUYER, LEFT, CROWDED], soldOut: new Set([2]), products: [...pieces(STOCK - 2), LAST] },
        orders: [order(), order({ buyer: CROWDED, id: 'o2', status: 'failed', error: 'x' })],
      }),
      /order 2 .* was told that nothing is left as well/,
    ],
    'an order without a receipt': [() => ({ mails: [REMINDED] }), /has 0 receipts/],
    'two receipts': [() => ({ mails: [RECEIPT, { ...RECEIPT, outcome: 'lost' }, REMINDED] }), /has 2 receipts/],
    'a receipt for nothing': [
      () => ({
        ...withProvider(readProvider([])),
        orders: ended('failed', { order: amounts(0, 0), seenPaidAt: undefined }),
        products: pieces(STOCK),
      }),
      /is failed, and has a receipt/,
    ],
    'a reminder after payment': [
      () => ({ mails: [RECEIPT, REMINDED, mail('Your cart at the shop is still here', { at: Date.now() + 60_000 })] }),
      /reminded \d+ ms after payment/,
    ],
    'a reminder after unsubscription': [
      () => ({ optedOutAt: new Map([[1, 1_000]]), mails: [RECEIPT, { ...REMINDED, at: 9_000 }] }),
      /reminded 8000 ms after payment or unsubscription/,
    ],
    'a second reminder after the first one was followed, before the money came': [
      () => ({
        ...{ buyers: [RETURNED, LEFT], orders: [order({ buyer: RETURNED, acknowledgedAt: 5_000 })], left: new Set([0, 1]) },
        mails: [RECEIPT, REMINDED, mail('Your cart at the shop'), mail('Your cart at the shop, again', { at: 12_000 })],
      }),
      /buyer 0 was reminded 7000 ms after payment/,
    ],
    'a reminder that led to nothing': [
      () => ({ buyers: [BUYER, { ...RETURNED, ordinal: 1, email: LEFT.email }] }),
      /buyer 1 came back when reminded, and has no order/,
    ],
    'money that should have come after a reminder': [
      () => ({ buyers: [RETURNED, LEFT], orders: [order({ buyer: RETURNED, status: 'failed', error: 'x' })] }),
      /order 0 \(comes_back, o1\) should have been paid/,
    ],
    'a reminder after the one click that refuses them': [
      () => ({
        ...{ buyers: [BUYER, UNSUBSCRIBED], optedOutAt: new Map([[1, 2_000]]) },
        mails: [RECEIPT, REMINDED, { ...REMINDED, messageId: '<second@mail>', at: 9_000 }],
      }),
      /buyer 1 was reminded 7000 ms after payment or unsubscription/,
    ],
    'a one click that was never taken': [() => ({ buyers: [BUYER, UNSUBSCRIBED] }), /buyer 1 could not unsubscribe by the mail/],
    'a reminder for somebody who never agreed': [() => ({ buyers: [BUYER, { ...LEFT, wantsReminders: false }] }), /never agreed/],
    'the same reminder twice': [() => ({ mails: [RECEIPT, REMINDED, REMINDED] }), /has <.*> 2 times/],
    'a reminder that never came': [() => ({ mails: [RECEIPT] }), /never was/],
  };
  for (const [title, [change, expected]] of Object.entries(faulty)) {
    test(`sees ${title}`, () => {
      const { violations } = judgeCheckout(evidence(change()));
      assert.ok(
        violations.some((violation) => expected.test(violation)),
        `${String(expected)} in ${violations.join('; ')}`,
      );
    });
  }

  test('keeps what an order had at every moment, not only at the end', async () => {
    const later = await provide({ key: 'f', refund: 3998 });
    const moments = later.orders.get('o1')?.moments.map(({ netAmount }) => netAmount) ?? [];
    assert.deepEqual([Math.max(...moments), moments.at(-1)], [3998, 0]);
  });
});

describe('the watch for refunds that came back', () => {
  const told = (id: string, more: object = {}) => ({
    ...{ at: new Date().toISOString(), cause: 'delivery' },
    changes: [
      {
        table: 'event',
        put: {
          id,
          type: 'refund.updated',
          pending_webhooks: 0,
          data: { object: { object: 'refund', id: 're_1', status: 'failed' } },
          ...more,
        },
      },
    ],
  });

  test('says so when the last of three events was acknowledged, and only then', () => {
    const news = new ReturnNews();
    assert.equal(news.isJustTold([told('evt_1'), told('evt_2'), told('evt_2')]), false);
    assert.equal(news.isJustTold([told('evt_3', { pending_webhooks: 1 }), { ...told('evt_3'), cause: 'time' }]), false);
    assert.equal(news.isJustTold([told('evt_3')]), true);
  });

  test('does not when the first was acknowledged long ago', () => {
    const early = { ...told('evt_1'), at: new Date(Date.now() - 60_000).toISOString() };
    assert.equal(new ReturnNews().isJustTold([early, told('evt_2'), told('evt_3')]), false);
  });
});

describe('the mailboxes of buyers', () => {
  const HEAD = [
    'Subject: Your cart at the shop is still here',
    'List-Unsubscribe: <http://shop.example/unsubscribe/default.abc>',
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    'Content-Transfer-Encoding: quoted-printable',
  ];
  const BODY = 'Go on: http://shop.example/shop?cart=3Ddefault.=\r\nx_y-z [http://elsewhere.example]\r\n';
  const source = (head: readonly string[], body = BODY): string => `${head.join('\r\n')}\r\n\r\n${body}`;

  test('give what the first reminder leads to, and nothing before one came', () => {
    const mailboxes = new Mailboxes();
    mailboxes.take('a@b', source(['Subject: Your receipt for order 1']));
    assert.equal(mailboxes.reminderOf('a@b'), undefined);
    mailboxes.take('a@b', source(HEAD));
    mailboxes.take('a@b', source(HEAD, 'http://shop.example/shop?cart=3Dsecond'));
    const { recoveryUrl, unsubscribeUrl } = mailboxes.reminderOf('a@b') ?? assert.fail('It has come.');
    assert.deepEqual(
      [recoveryUrl.origin, recoveryUrl.searchParams.get('cart'), unsubscribeUrl],
      ['http://shop.example', 'default.x_y-z', 'http://shop.example/unsubscribe/default.abc'],
    );
  });

  test('complain of a reminder without its links', () => {
    const mailboxes = new Mailboxes();
    mailboxes.take('a@b', source(HEAD, 'Buy!'));
    assert.throws(() => mailboxes.reminderOf('a@b'), /no link to the cart/);
    mailboxes.take('c@d', source(HEAD.slice(0, 2)));
    assert.throws(() => mailboxes.reminderOf('c@d'), /no one-click unsubscription/);
  });
});

describe('the plan of buyers', () => {
  test('repeats for a seed, differs for another, and holds every behaviour', () => {
    const buyers = planBuyers(7, 400);
    assert.deepEqual(planBuyers(7, 400), buyers);
    assert.notDeepEqual(planBuyers(8, 400), buyers);
    const behaviours = new Set(buyers.map(({ behaviour }) => behaviour));
    assert.equal(behaviours.size, 11);
    assert.equal(new Set(buyers.map(({ currency }) => currency)).size, 3);
    assert.equal(new Set(buyers.map(({ email }) => email)).size, buyers.length);
    assert.ok(buyers.some(({ isDouble }) => isDouble) && buyers.some(({ refunds }) => refunds.length === 2));
  });

  test('has few who do what a reminder asks for, some of them in every run', () => {
    for (const [buyers, most] of [
      [planBuyers(1, 200), 20],
      [planAfterwards(200).many, 3],
    ] as const) {
      for (const behaviour of ['comes_back', 'unsubscribes']) {
        const found = buyers.filter((buyer) => buyer.behaviour === behaviour);
        assert.ok(found.length >= 3 && found.length <= most, `${found.length} of ${behaviour}`);
        assert.ok(found.every(({ wantsReminders, optsOutAfterMs }) => wantsReminders && optsOutAfterMs === undefined));
      }
    }
  });

  test('has a crowd of 500 beside the 200 of a full run, and none in a short one', () => {
    const returning = [1, 2, 3].map((seed) => planBuyers(seed, 30).filter(({ behaviour }) => behaviour === 'refund_fails').length);
    assert.ok(Math.min(...returning) >= 6, `${returning.join()}: too few for the strike upon a refund that comes back`);
    assert.deepEqual([planCrowd(200).length, planCrowd(30).length], [500, 0]);
    assert.deepEqual(new Set([...planBuyers(1, 200), ...planCrowd(200)].map(({ ordinal }) => ordinal)).size, 700);
  });
});
