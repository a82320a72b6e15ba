// Orders from a cart to a receipt, against the simulator of Stripe.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { useShop } from './world.ts';

const shop = useShop();

function eventsOf(text: string): readonly { readonly id: string; readonly state: string }[] {
  return [...text.matchAll(/^id: (\d+)$[^]*?"state":"(\w+)"/gm)].map(([, id = '', state = '']) => ({ id, state }));
}

describe('an order', () => {
  test('paid by card: from the product to the receipt', async () => {
    await shop.product('happy', 5);
    const { id, links } = await shop.order({ paymentMethod: 'pm_card_visa' }, { items: [{ sku: 'happy', quantity: 2 }] });
    assert.equal(links.resource, `/v1/orders/${id}`);
    const ended = await shop.ends(id, 'succeeded', 'failed');
    assert.equal(ended.status, 'succeeded', JSON.stringify(ended.error));
    const order = await shop.reaches(id, 'paid');
    assert.deepEqual([order.totalAmount, order.capturedAmount, order.refundedAmount], [3980, 3980, 0]);
    assert.ok(order.fulfilmentReference);
    assert.deepEqual(await shop.stock('happy'), { stock: 3, available: 3 });
    const receipt = await eventually(() => shop.mailbox().accepted.find(({ messageId }) => messageId.includes(order.receiptId ?? '-')), {
      timeoutMs: 150_000,
    });
    assert.equal(receipt?.recipient, 'ada@example.com');
  });

  test('that must be approved at the bank shows where, and is paid once the buyer did', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(id, 'needs_action');
    assert.ok(payment.clientSecret);
    await shop.twin().approve(payment.nextAction?.url ?? '');
    const order = await shop.reaches(id, 'paid');
    assert.equal(order.payment.nextAction, undefined);
    await shop.ends(id, 'succeeded');
  });

  test('whose approval failed can be paid with another card', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(id, 'needs_action');
    await shop.twin().approve(payment.nextAction?.url ?? '', 'fail');
    const declined = await shop.reaches(id, 'needs_payment_method');
    assert.ok(declined.payment.declined?.message);
    assert.equal((await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' })).status, 202);
    await shop.ends(id, 'succeeded');
  });

  test('that was declined is paid with a second card, and takes the money once', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_chargeDeclinedInsufficientFunds' });
    const declined = await shop.reaches(id, 'needs_payment_method');
    assert.match(declined.payment.declined?.message ?? '', /too little money/);
    const paid = await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
    assert.equal(paid.status, 202, paid.text);
    await shop.ends(id, 'succeeded');
    const order = await shop.reaches(id, 'paid');
    assert.equal(order.payment.declined, undefined);
    const again = await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
    assert.deepEqual([again.status, again.body.code], [409, 'order_not_in_state']);
  });

  test('with a payment method that does not exist waits for one that does', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_nobodys' });
    const declined = await shop.reaches(id, 'needs_payment_method');
    assert.ok(declined.payment.declined);
    await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
  });

  test('by debit is processing until the bank has it, then paid', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_successDelayed_de' });
    await shop.reaches(id, 'processing');
    await shop.twin().advanceSeconds(200);
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1990);
  });

  test('by debit that fails waits for another payment, with its goods still put aside', async () => {
    await shop.product('debit', 1);
    const { id } = await shop.order({ paymentMethod: 'pm_failedDelayed_de' }, { items: [{ sku: 'debit', quantity: 1 }] });
    await shop.reaches(id, 'processing');
    await shop.twin().advanceSeconds(200);
    await shop.reaches(id, 'needs_payment_method');
    assert.deepEqual(await shop.stock('debit'), { stock: 1, available: 0 });
    await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
  });

  test('checked out without a payment method waits for the browser to pay', async () => {
    const { id } = await shop.order();
    const { payment } = await shop.reaches(id, 'needs_payment_method');
    assert.ok(payment.clientSecret?.includes('_secret_'));
    assert.ok(payment.publishableKey.startsWith('pk_test_'));
    await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
  });

  test('puts nothing aside any more once it was paid or has ended, though a worker that died has it done again', async () => {
    await shop.product('kept', 5);
    const items = [{ sku: 'kept', quantity: 1 }];
    const sold = await shop.order({ paymentMethod: 'pm_card_visa' }, { items });
    await shop.ends(sold.id, 'succeeded');
    const dropped = await shop.order({}, { items });
    await shop.reaches(dropped.id, 'needs_payment_method');
    assert.deepEqual(await shop.stock('kept'), { stock: 4, available: 3 });
    await shop.call('POST', `/v1/operations/${dropped.id}/cancel`);
    await shop.ends(dropped.id, 'cancelled');
    const { orders } = shop.core().deps.store.checkout;
    const now = new Date();
    for (const { id: orderId } of [sold, dropped])
      await orders.keepHold({ tenantId: shop.tenant().id, orderId, now }, new Date(now.getTime() + 86_400_000));
    assert.deepEqual(await shop.stock('kept'), { stock: 4, available: 4 });
  });

  test('in yen and in dinars takes the amount that was agreed to', async () => {
    for (const [currency, amount] of [
      ['JPY', 3200],
      ['KWD', 6250],
    ] as const) {
      const { id } = await shop.order({ paymentMethod: 'pm_card_visa' }, { currency });
      await shop.ends(id, 'succeeded');
      const order = await shop.reaches(id, 'paid');
      assert.deepEqual([order.currency, order.capturedAmount], [currency, amount]);
    }
  });
});

describe('the stream of an order', () => {
  test('tells each state while somebody follows, and what is left of them to who comes back', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(id, 'needs_action');
    const path = `/v1/orders/${id}/stream`;
    const following = shop.call('GET', path);
    await shop.twin().approve(payment.nextAction?.url ?? '');
    await shop.ends(id, 'succeeded');
    const refund = await shop.call('POST', `/v1/orders/${id}/refunds`, {});
    await shop.ends(refund.body.id, 'succeeded');
    // It ends with the last state that an order can have.
    const told = eventsOf((await following).text);
    const wanted = ['needs_action', 'paid', 'refunded'];
    assert.deepEqual(
      told.map(({ state }) => state).filter((state, index, all) => wanted.includes(state) && state !== all[index - 1]),
      wanted,
    );
    const paidAt = told.findIndex(({ state }) => state === 'paid');
    const headers = { 'Last-Event-ID': told[paidAt]?.id ?? '' };
    const rest = await shop.api().call('GET', path, { key: shop.tenant().key, headers });
    assert.deepEqual(eventsOf(rest.text), told.slice(paidAt + 1));
  });
});

describe('checking out', () => {
  test('twenty times at once makes one order', async () => {
    const { id, quote } = await shop.cart();
    const body = { quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.call('POST', `/v1/carts/${id}/checkout`, body)));
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [...Array.from({ length: 19 }, () => 200), 202],
    );
    const ids = new Set(answers.map(({ body: operation }) => operation.id));
    assert.equal(ids.size, 1);
    const [orderId = ''] = ids;
    await shop.ends(orderId, 'succeeded');
    const intents = (await shop.twin().audit()).filter((entry) => JSON.stringify(entry).includes(orderId));
    assert.ok(intents.length > 0);
    const { body: list } = await shop.call('GET', `/v1/orders?cartId=${id}`);
    assert.equal(list.data.length, 1);
  });

  test('again by the same Idempotency-Key, after the order was cancelled and a price has changed, is answered as at first', async () => {
    await shop.product('repriced', 3);
    const cart = await shop.cart({ items: [{ sku: 'repriced', quantity: 1 }] });
    const options = {
      key: shop.tenant().key,
      body: { quoteHash: cart.quote.quoteHash },
      headers: { 'Idempotency-Key': `order-${cart.id}` },
    };
    const ask = () => shop.api().call('POST', `/v1/carts/${cart.id}/checkout`, options);
    const first = await ask();
    await shop.reaches(first.body.id, 'needs_payment_method');
    await shop.call('POST', `/v1/operations/${first.body.id}/cancel`, {});
    await shop.ends(first.body.id, 'cancelled');
    await shop.product('repriced', 3, [{ amount: 2500, currency: 'EUR' }]);
    const again = await ask();
    assert.deepEqual([again.status, again.body.id, again.headers.get('idempotency-replayed')], [202, first.body.id, 'true']);
    const other = { ...options, body: { ...options.body, paymentMethod: 'pm_card_visa' } };
    assert.equal((await shop.api().call('POST', `/v1/carts/${cart.id}/checkout`, other)).status, 422);
  });

  test('with an old quote is told the new one, and nothing is put aside', async () => {
    await shop.product('dearer', 3);
    const cart = await shop.cart({ items: [{ sku: 'dearer', quantity: 1 }] });
    await shop.product('dearer', 3, [{ amount: 2500, currency: 'EUR' }]);
    const answer = await shop.call('POST', `/v1/carts/${cart.id}/checkout`, { quoteHash: cart.quote.quoteHash });
    assert.deepEqual([answer.status, answer.body.code, answer.body.quote.totalAmount], [409, 'cart_changed', 2500]);
    assert.deepEqual(await shop.stock('dearer'), { stock: 3, available: 3 });
    const agreed = await shop.call('POST', `/v1/carts/${cart.id}/checkout`, {
      quoteHash: answer.body.quote.quoteHash,
      paymentMethod: 'pm_card_visa',
    });
    assert.equal(agreed.status, 202, agreed.text);
    await shop.ends(agreed.body.id, 'succeeded');
  });

  test('what is sold out is refused, and what somebody else has put aside too', async () => {
    await shop.product('last', 1);
    const [first, second] = [
      await shop.cart({ items: [{ sku: 'last', quantity: 1 }] }),
      await shop.cart({ items: [{ sku: 'last', quantity: 1 }] }),
    ];
    const won = await shop.call('POST', `/v1/carts/${first.id}/checkout`, { quoteHash: first.quote.quoteHash });
    assert.equal(won.status, 202, won.text);
    const lost = await shop.call('POST', `/v1/carts/${second.id}/checkout`, { quoteHash: second.quote.quoteHash });
    assert.deepEqual([lost.status, lost.body.code], [409, 'cart_not_sellable']);
    assert.equal(lost.body.quote.faults[0].code, 'out_of_stock');
  });

  test('an empty cart, and a cart of nobody', async () => {
    const empty = await shop.cart({ items: [] });
    const answer = await shop.call('POST', `/v1/carts/${empty.id}/checkout`, { quoteHash: empty.quote.quoteHash });
    assert.deepEqual([answer.status, answer.body.code], [409, 'cart_not_sellable']);
    const nobody = await shop.call('POST', '/v1/carts/019ab6a0-7c00-7000-8000-0000000000ff/checkout', { quoteHash: 'x' });
    assert.equal(nobody.status, 404);
  });

  test('with a card number anywhere is refused, and nothing is stored', async () => {
    const { id, quote } = await shop.cart();
    const answer = await shop.call('POST', `/v1/carts/${id}/checkout`, { quoteHash: quote.quoteHash, paymentMethod: '4242424242424242' });
    assert.equal(answer.status, 400);
    assert.equal((await shop.call('GET', `/v1/orders?cartId=${id}`)).body.data.length, 0);
  });

  test('somebody else’s cart: it is not there', async () => {
    const { id, quote } = await shop.cart();
    const stranger = await shop.api().newTenant();
    const answer = await shop
      .api()
      .call('POST', `/v1/carts/${id}/checkout`, { key: stranger.key, body: { quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' } });
    assert.equal(answer.status, 404);
    const { id: orderId } = await shop.order({ paymentMethod: 'pm_card_visa' });
    assert.equal((await shop.api().call('GET', `/v1/orders/${orderId}`, { key: stranger.key })).status, 404);
    assert.deepEqual((await shop.api().call('GET', '/v1/orders', { key: stranger.key })).body.data, []);
    assert.deepEqual((await shop.api().call('GET', '/v1/ledger/balance', { key: stranger.key })).body.accounts, []);
  });
});
