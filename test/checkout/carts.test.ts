import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CURRENCIES } from '../../src/contracts/currencies.ts';
import { type Answer, type Api, assertProblem, startApi } from '../api/fixture.ts';

const GEAR = { name: 'Brass gear', prices: [money(1990), money(3200, 'JPY')], taxPercent: 19, stock: 10 };

let api: Api;
let tenant: { readonly id: string; readonly key: string };

before(async () => {
  api = await startApi();
  tenant = await api.newTenant();
  await put('brass-gear', GEAR);
  await put('only-yen', { ...GEAR, prices: [money(500, 'JPY')] });
  await put('retired', { ...GEAR, isActive: false });
});
after(() => api[Symbol.asyncDispose]());

function money(amount: number, currency = 'EUR') {
  return { amount, currency };
}

function call(method: string, path: string, body?: unknown): Promise<Answer> {
  return api.call(method, path, { key: tenant.key, body });
}

async function put(sku: string, content: object, key = tenant.key): Promise<void> {
  const answer = await api.call('PUT', `/v1/products/${sku}`, { key, body: content });
  assert.ok(answer.status === 201 || answer.status === 200, answer.text);
}

async function newCart(body: object = {}, key = tenant.key): Promise<Answer['body']> {
  const answer = await api.call('POST', '/v1/carts', {
    key,
    body: { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 2 }], ...body },
  });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}

async function countCarts(): Promise<number> {
  return Number((await api.sql(tenant.id, 'select count(*) as count from cart'))[0]?.['count']);
}

describe('a cart', () => {
  test('is priced from the catalogue, with shipping and the tax that the total contains', async () => {
    const rate = { amount: 490, freeFromAmount: 10_000, taxPercent: 19 };
    assert.equal((await call('PUT', '/v1/shipping-rates/EUR', { amount: 990 })).status, 200);
    assert.equal((await call('PUT', '/v1/shipping-rates/EUR', rate)).status, 200);
    const { data } = (await call('GET', '/v1/shipping-rates')).body;
    assert.deepEqual(data, [{ ...data[0], currency: 'EUR', object: 'shippingRate', ...rate }]);
    const cart = await newCart();
    const { faults, quoteHash, ...quote } = cart.quote;
    assert.deepEqual(quote, {
      currency: 'EUR',
      lines: [{ sku: 'brass-gear', name: 'Brass gear', quantity: 2, unitAmount: 1990, amount: 3980, taxAmount: 635, available: 10 }],
      shippingAmount: 490,
      taxAmount: 635 + 78,
      totalAmount: 4470,
    });
    assert.deepEqual(faults, []);
    assert.match(quoteHash, /^[\w-]{22}$/);
    assert.equal(cart.version, 1);
    const many = await call('PUT', `/v1/carts/${cart.id}/items/brass-gear`, { quantity: 6 });
    assert.equal(many.body.quote.shippingAmount, 0, 'free from 100.00');
    assert.equal(many.body.quote.totalAmount, 6 * 1990);
    assert.notEqual(many.body.quote.quoteHash, quoteHash);
    assert.equal(many.body.version, 2);
  });

  test('shows a new price, which was put without a stock, and what is left is as before', async () => {
    await put('counted', { ...GEAR, stock: 7 });
    const { stock: _left, ...priced } = { ...GEAR, prices: [money(2090)] };
    const answer = await call('PUT', '/v1/products/counted', priced);
    assert.deepEqual([answer.body.stock, answer.body.prices], [7, [money(2090)]]);
    assert.equal((await call('PUT', '/v1/products/uncounted', priced)).body.stock, 0);
  });

  test('shows a new price at once, and its hash tells that the buyer has not agreed to it', async () => {
    await put('dear', GEAR);
    const cart = await newCart({ items: [{ sku: 'dear', quantity: 1 }] });
    await put('dear', { ...GEAR, prices: [money(2090)] });
    const { body } = await call('GET', `/v1/carts/${cart.id}`);
    assert.equal(body.quote.lines[0].unitAmount, 2090);
    assert.notEqual(body.quote.quoteHash, cart.quote.quoteHash);
    assert.equal(body.version, cart.version);
  });

  test('goes on being the same when nothing changes', async () => {
    const cart = await newCart();
    const same = await call('PUT', `/v1/carts/${cart.id}/items/brass-gear`, { quantity: 2 });
    assert.equal(same.body.version, 1);
    const gone = await call('DELETE', `/v1/carts/${cart.id}/items/brass-gear`);
    const again = await call('DELETE', `/v1/carts/${cart.id}/items/brass-gear`);
    assert.deepEqual([gone.body.version, again.body.version], [2, 2]);
    assert.deepEqual(again.body.quote.faults, [{ code: 'empty' }]);
  });

  test('is made once for an idempotency key', async () => {
    const body = { currency: 'EUR' };
    const headers = { 'Idempotency-Key': 'one-cart' };
    const [first, second] = [
      await api.call('POST', '/v1/carts', { key: tenant.key, body, headers }),
      await api.call('POST', '/v1/carts', { key: tenant.key, body, headers }),
    ];
    assert.equal(second.body.id, first.body.id);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    assertProblem(
      await api.call('POST', '/v1/carts', { key: tenant.key, body: { currency: 'JPY' }, headers }),
      422,
      'idempotency_key_reused',
    );
  });

  test('says what is not there in sufficient number', async () => {
    const cart = await newCart({ items: [{ sku: 'brass-gear', quantity: 99 }] });
    assert.deepEqual(cart.quote.faults, [{ sku: 'brass-gear', code: 'out_of_stock' }]);
  });

  test('has a workflow that keeps its time from the first article on, and no second one', async () => {
    const empty = await newCart({ items: [] });
    const rows = () =>
      api.sql(tenant.id, `select workflow_id, verb, name from dispatch where workflow_id like $1 order by id`, [
        `cart:${tenant.id}:${empty.id}%`,
      ]);
    assert.deepEqual(await rows(), []);
    for (const quantity of [1, 2, 3]) await call('PUT', `/v1/carts/${empty.id}/items/brass-gear`, { quantity });
    assert.deepEqual(await rows(), [{ workflow_id: `cart:${tenant.id}:${empty.id}`, verb: 'start', name: null }]);
    await call('PUT', `/v1/carts/${empty.id}/contact`, { email: 'ada@example.com' });
    assert.deepEqual(
      (await rows()).map(({ verb, name }) => [verb, name]),
      [
        ['start', null],
        ['signal', 'lookAgain'],
      ],
    );
  });
});

describe('bad input', () => {
  test('stores nothing and says what to do', async () => {
    const cart = await newCart();
    const item = `/v1/carts/${cart.id}/items/brass-gear`;
    const count = await countCarts();
    for (const quantity of [0, -1, 1.5, 1e9, 100, '2', null, Number.NaN])
      assertProblem(await call('PUT', item, { quantity }), 400, 'invalid_request');
    for (const more of [{ price: 1 }, { unitAmount: 1 }, { amount: 1 }])
      assertProblem(await call('PUT', item, { quantity: 1, ...more }), 400, 'invalid_request');
    for (const currency of ['EURO', 'eur', 'XXX', 978])
      assertProblem(await call('POST', '/v1/carts', { currency }), 400, 'invalid_request');
    assertProblem(
      await call('POST', '/v1/carts', { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 1, price: 1 }] }),
      400,
      'invalid_request',
    );
    const twice = [
      { sku: 'brass-gear', quantity: 1 },
      { sku: 'brass-gear', quantity: 2 },
    ];
    assertProblem(await call('POST', '/v1/carts', { currency: 'EUR', items: twice }), 400, 'invalid_request');
    assertProblem(
      await call('POST', '/v1/carts', { currency: 'EUR', items: [{ sku: 'unheard-of', quantity: 1 }] }),
      422,
      'product_unavailable',
    );
    assertProblem(await call('PUT', `/v1/carts/${cart.id}/items/unheard-of`, { quantity: 1 }), 422, 'product_unavailable');
    assertProblem(await call('PUT', `/v1/carts/${cart.id}/items/retired`, { quantity: 1 }), 422, 'product_unavailable');
    assertProblem(await call('PUT', `/v1/carts/${cart.id}/items/only-yen`, { quantity: 1 }), 422, 'price_missing');
    const { body } = await call('GET', `/v1/carts/${cart.id}`);
    assert.deepEqual([body.version, body.items], [1, [{ sku: 'brass-gear', quantity: 2 }]]);
    assert.equal(await countCarts(), count);
  });

  test('that looks like a card number is refused wherever a text can be', async () => {
    const cart = await newCart();
    const contact = { email: 'ada@example.com', name: 'Ada' };
    for (const digits of ['4242424242424242', '4242 4242 4242 4242', '378282246310005', '5555-5555-5555-4444', 'x 30569309025904 y']) {
      const answer = await call('PUT', `/v1/carts/${cart.id}/contact`, { ...contact, name: digits });
      assertProblem(answer, 400, 'invalid_request');
      assert.equal(answer.body.errors[0].pointer, '/name');
      assert.doesNotMatch(answer.text, /4242|5555|3782/);
    }
    assertProblem(await call('PUT', `/v1/carts/${cart.id}/contact`, { email: '4242424242424242@example.com' }), 400, 'invalid_request');
    assertProblem(await call('PUT', '/v1/products/gear', { ...GEAR, name: '4242424242424242' }), 400, 'invalid_request');
    const subject = await call('POST', '/v1/carts', { currency: 'EUR', ownerSubject: '4242424242424242' });
    assert.deepEqual([subject.status, subject.body.errors[0].pointer], [400, '/ownerSubject']);
    const { cartId, quoteHash } = { cartId: cart.id, quoteHash: cart.quote.quoteHash };
    const begin = (more: object, input: object = {}) =>
      api.call('POST', '/v1/operations', {
        key: tenant.key,
        headers: { 'Idempotency-Key': crypto.randomUUID() },
        body: { kind: 'order', input: { cartId, quoteHash, ...input }, ...more },
      });
    for (const [method, path] of [
      ['PUT', '/v1/products/4242424242424242'],
      ['PUT', `/v1/carts/${cart.id}/items/4242-4242-4242-4242`],
    ] as const) {
      const answer = await call(method, path, method === 'PUT' && path.includes('products') ? GEAR : { quantity: 1 });
      assert.ok(answer.status === 400 || answer.status === 404, answer.text);
      assert.doesNotMatch(answer.text, /4242/);
    }
    assertProblem(await begin({}, { quoteHash: '4242424242424242' }), 400, 'invalid_request');
    assertProblem(await begin({ metadata: { note: '4242 4242 4242 4242' } }), 400, 'invalid_request');
    assertProblem(await begin({ tags: ['4242424242424242'] }), 400, 'invalid_request');
    for (const name of ['+49 170 1234567', '2026-11-25 10:15', '4006381333931', '1234567812345678'])
      assert.equal((await call('PUT', `/v1/carts/${cart.id}/contact`, { ...contact, name })).status, 200, name);
  });

  test('of shipping: fractions that the currency does not have, and what is no currency', async () => {
    assertProblem(await call('PUT', '/v1/shipping-rates/KWD', { amount: 1655 }), 400, 'invalid_request');
    assertProblem(await call('PUT', '/v1/shipping-rates/XYZ', { amount: 490 }), 400, 'invalid_request');
    for (const body of [{}, { amount: -1 }, { amount: 1.5 }, { amount: 490, freeFromAmount: -1 }, { amount: 490, taxPercent: 101 }])
      assertProblem(await call('PUT', '/v1/shipping-rates/EUR', body), 400, 'invalid_request');
  });

  test('of a product: amounts that can not be charged', async () => {
    for (const price of [money(-1), money(1.5), money(1e9), money(15, 'KWD'), money(150, 'ISK'), money(1, 'XYZ')])
      assertProblem(await call('PUT', '/v1/products/odd', { ...GEAR, prices: [price] }), 400, 'invalid_request');
    assertProblem(await call('PUT', '/v1/products/odd', { ...GEAR, prices: [money(1), money(2)] }), 400, 'invalid_request');
    for (const more of [{ stock: -1 }, { stock: 0.5 }, { taxPercent: 101 }, { taxPercent: 19.001 }, { prices: [] }])
      assertProblem(await call('PUT', '/v1/products/odd', { ...GEAR, ...more }), 400, 'invalid_request');
    assert.ok(CURRENCIES.size > 100);
  });

  test('a cart that has become an order or has expired takes no change', async () => {
    for (const status of ['ordered', 'expired']) {
      const cart = await newCart();
      await api.sql(tenant.id, 'update cart set status = $2 where id = $1', [cart.id, status]);
      assertProblem(await call('PUT', `/v1/carts/${cart.id}/items/brass-gear`, { quantity: 1 }), 409, 'cart_closed');
      assertProblem(await call('DELETE', `/v1/carts/${cart.id}/items/brass-gear`), 409, 'cart_closed');
      assertProblem(await call('PUT', `/v1/carts/${cart.id}/contact`, { email: 'ada@example.com' }), 409, 'cart_closed');
      assert.equal((await call('GET', `/v1/carts/${cart.id}`)).body.status, status);
    }
  });

  test('a cart holds 50 lines and no more', async () => {
    const items = Array.from({ length: 50 }, (_, index) => ({ sku: `line-${index}`, quantity: 1 }));
    for (const { sku } of items) await put(sku, GEAR);
    const cart = await newCart({ items });
    assertProblem(await call('PUT', `/v1/carts/${cart.id}/items/brass-gear`, { quantity: 1 }), 409, 'cart_full');
    assert.equal((await call('PUT', `/v1/carts/${cart.id}/items/line-7`, { quantity: 3 })).status, 200);
  });
});

describe('whose a cart is', () => {
  test('another tenant’s looks like none', async () => {
    const stranger = await api.newTenant();
    const cart = await newCart();
    const ways = [
      ['GET', '', undefined],
      ['PUT', '/items/brass-gear', { quantity: 1 }],
      ['DELETE', '/items/brass-gear', undefined],
      ['PUT', '/contact', { email: 'eve@example.com' }],
    ] as const;
    for (const [method, path, body] of ways)
      assertProblem(await api.call(method, `/v1/carts/${cart.id}${path}`, { key: stranger.key, body }), 404, 'not_found');
    assertProblem(
      await api.call('POST', '/v1/carts', { key: stranger.key, body: { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 1 }] } }),
      422,
      'product_unavailable',
    );
  });

  test('a token reaches its subject’s carts only, and with resources only those that it names', async () => {
    const mine = (await api.newToken(tenant.id)).key;
    const theirs = (await api.newToken(tenant.id, { subject: 'u_2' })).key;
    const cart = await newCart({}, mine);
    assert.equal(cart.ownerSubject, 'u_1');
    assert.equal((await api.call('GET', `/v1/carts/${cart.id}`, { key: mine })).status, 200);
    assertProblem(await api.call('GET', `/v1/carts/${cart.id}`, { key: theirs }), 404, 'not_found');
    assertProblem(await api.call('GET', `/v1/carts/${(await newCart()).id}`, { key: mine }), 404, 'not_found');
    const limited = (await api.newToken(tenant.id, { resources: [`cart/${cart.id}`] })).key;
    assert.equal((await api.call('PUT', `/v1/carts/${cart.id}/items/brass-gear`, { key: limited, body: { quantity: 1 } })).status, 200);
    assertProblem(await api.call('GET', `/v1/carts/${(await newCart({}, mine)).id}`, { key: limited }), 404, 'not_found');
    assertProblem(await api.call('POST', '/v1/carts', { key: limited, body: { currency: 'EUR' } }), 403, 'insufficient_scope');
    assertProblem(await api.call('PUT', '/v1/products/brass-gear', { key: mine, body: GEAR }), 403, 'key_required');
  });

  test('who has a token for one cart learns nothing of who filled it', async () => {
    const cart = await newCart({ ownerSubject: 'u_1' });
    const contact = {
      email: 'ada@example.com',
      name: 'Ada',
      locale: 'de',
      timeZone: 'Europe/Berlin',
      consent: { reminders: true, wording: 'v1' },
    };
    const whole = await call('PUT', `/v1/carts/${cart.id}/contact`, contact);
    assert.equal(whole.body.contact.email, 'ada@example.com');
    const limited = (await api.newToken(tenant.id, { resources: [`cart/${cart.id}`] })).key;
    const { text, body } = await api.call('GET', `/v1/carts/${cart.id}`, { key: limited });
    assert.equal(body.contact.email, 'a•••@example.com');
    assert.doesNotMatch(text, /ada@|"Ada"|Berlin/);
  });

  test('a list of products shows a token what is for sale, a key all', async () => {
    const skus = async (key: string) =>
      (await api.call('GET', '/v1/products?limit=200', { key })).body.data.map(({ sku }: { sku: string }) => sku);
    assert.ok((await skus(tenant.key)).includes('retired'));
    assert.ok(!(await skus((await api.newToken(tenant.id)).key)).includes('retired'));
    const first = (await call('GET', '/v1/products?limit=1')).body;
    const second = (await call('GET', `/v1/products?limit=1&cursor=${first.nextCursor}`)).body;
    assert.ok(first.data[0].sku < second.data[0].sku);
  });
});

describe('agreement to reminders', () => {
  const agreed = { email: 'ada@example.com', consent: { reminders: true, wording: '2026-11' } };

  test('keeps its time and wording, until it is taken back or the address changes', async () => {
    const { id } = await newCart();
    const contact = async (body: object) => (await call('PUT', `/v1/carts/${id}/contact`, body)).body.contact.consent;
    const first = await contact(agreed);
    assert.equal(first.wording, '2026-11');
    assert.ok(Date.parse(first.agreedAt) > 0);
    assert.deepEqual(await contact({ email: 'Ada@example.com', name: 'Ada' }), first);
    assert.deepEqual(await contact({ email: 'eve@example.com' }), { reminders: false });
    await contact(agreed);
    assert.deepEqual(await contact({ email: 'ada@example.com', consent: { reminders: false } }), { reminders: false });
    assertProblem(
      await call('PUT', `/v1/carts/${id}/contact`, { email: 'a@example.com', consent: { reminders: true } }),
      400,
      'invalid_request',
    );
    assertProblem(
      await call('PUT', `/v1/carts/${id}/contact`, { email: 'a@example.com', timeZone: 'Europe/Nowhere' }),
      400,
      'invalid_request',
    );
  });
});
