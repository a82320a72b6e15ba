import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sealRecovery } from '../../src/contracts/checkout/recovery.ts';
import { sealUnsubscribe } from '../../src/contracts/email-unsubscribe.ts';
import { type Answer, type Api, assertProblem, startApi } from '../api/fixture.ts';

const DAY_MS = 86_400_000;
const CONTACT = { email: 'ada@example.com', name: 'Ada', consent: { reminders: true, wording: '2026-11' } };

let api: Api;
let tenant: { readonly id: string; readonly key: string };

before(async () => {
  api = await startApi();
  tenant = await api.newTenant();
  await price(1990);
});
after(() => api[Symbol.asyncDispose]());

function price(amount: number): Promise<Answer> {
  const body = { name: 'Gear', prices: [{ amount, currency: 'EUR' }], taxPercent: 19, stock: 10 };
  return api.call('PUT', '/v1/products/gear', { key: tenant.key, body });
}

async function newCart(): Promise<Answer['body']> {
  const body = { currency: 'EUR', items: [{ sku: 'gear', quantity: 2 }] };
  const { id } = (await api.call('POST', '/v1/carts', { key: tenant.key, body })).body;
  return (await api.call('PUT', `/v1/carts/${id}/contact`, { key: tenant.key, body: CONTACT })).body;
}

async function linkOf(cartId: string, at = new Date()): Promise<string> {
  return sealRecovery(await api.store.email.unsubscribeSecret(tenant.id), { tenantId: tenant.id, cartId }, at);
}

function recover(token: string): Promise<Answer> {
  return api.call('POST', '/v1/cart-recoveries', { body: { token } });
}

describe('a recovery link', () => {
  test('restores the cart on any device, at today’s prices, and logs nobody in', async () => {
    const cart = await newCart();
    await price(2090);
    const { status, body, text } = await recover(await linkOf(cart.id));
    assert.equal(status, 200, text);
    assert.deepEqual([body.cart.id, body.cart.quote.totalAmount], [cart.id, 2 * 2090]);
    assert.doesNotMatch(text, /ada@|"Ada"/);
    const as = { key: body.token };
    const changed = await api.call('PUT', `/v1/carts/${cart.id}/items/gear`, { ...as, body: { quantity: 1 } });
    assert.equal(changed.status, 200, changed.text);
    const { id: other } = await newCart();
    assertProblem(await api.call('GET', `/v1/carts/${other}`, as), 404, 'not_found');
    assertProblem(await api.call('POST', '/v1/carts', { ...as, body: { currency: 'EUR' } }), 403, 'insufficient_scope');
    const [row] = await api.sql(tenant.id, 'select recovered_at from cart where id = $1', [cart.id]);
    assert.ok(row?.['recovered_at'] instanceof Date);
  });

  test('that is old, forged, cut, for something else or for a cart that is closed restores nothing', async () => {
    const cart = await newCart();
    const secret = await api.store.email.unsubscribeSecret(tenant.id);
    const good = await linkOf(cart.id);
    const others = [
      await linkOf(cart.id, new Date(Date.now() - 7 * DAY_MS - 1000)),
      await linkOf(crypto.randomUUID()),
      `${good.slice(0, -4)}AAAA`,
      good.slice(0, 20),
      good.replace(tenant.id, 't999'),
      sealUnsubscribe(secret, { tenantId: tenant.id, rootId: cart.id, address: 'ada@example.com' }),
      'x',
    ];
    for (const link of others) assertProblem(await recover(link), 404, 'recovery_link_invalid');
    await api.sql(tenant.id, `update cart set status = 'expired' where id = $1`, [cart.id]);
    assertProblem(await recover(good), 404, 'recovery_link_invalid');
    assertProblem(await api.call('POST', '/v1/cart-recoveries', { body: {} }), 400, 'invalid_request');
  });
});

describe('the demo shop', () => {
  test('is closed where payments are not simulated', async () => {
    await using real = await startApi({ payments: { ...api.context.payments, mode: 'test' } });
    for (const [method, path] of [
      ['GET', '/shop'],
      ['GET', '/shop/shop.js'],
      ['POST', '/shop/visits'],
    ] as const)
      assertProblem(await real.call(method, path), 404, 'shop_closed');
  });

  test('lets its visitors in, and knows them again', async () => {
    await using shop = await startApi({
      payments: { ...api.context.payments, mode: 'simulated' },
      shop: { name: 'Gears & Sons', tenantId: 'gears' },
    });
    assertProblem(await shop.call('POST', '/shop/visits'), 404, 'shop_closed');
    await shop.store.tenants.put({ id: 'gears', name: 'Gears', actor: { actor: 'test' }, now: new Date() });
    const first = (await shop.call('POST', '/shop/visits')).body;
    const cart = (await shop.call('POST', '/v1/carts', { key: first.token, body: { currency: 'EUR' } })).body;
    const second = (await shop.call('POST', '/shop/visits', { body: { visitor: first.visitor } })).body;
    assert.equal((await shop.call('GET', `/v1/carts/${cart.id}`, { key: second.token })).status, 200);
    const stranger = (await shop.call('POST', '/shop/visits', { body: { visitor: `${first.visitor}AA` } })).body;
    assertProblem(await shop.call('GET', `/v1/carts/${cart.id}`, { key: stranger.token }), 404, 'not_found');
    const page = await shop.call('GET', '/shop');
    assert.match(page.headers.get('content-security-policy') ?? '', /script-src 'self'/);
    assert.match(page.text, /Payments here are simulated/);
    assert.equal((await shop.call('GET', '/shop/shop.js')).headers.get('content-type'), 'text/javascript; charset=utf-8');
    assertProblem(await shop.call('GET', '/shop/package.json'), 404, 'route_not_found');
  });
});
