import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { type Answer, type CallOptions, START, assertProblem as assertWholeProblem, startApi } from './fixture.ts';

/** As tus clients ask. */
const TUS = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '5', 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' };
/** Headers of what is no JSON. */
const SPOKEN = { tus: TUS, bytes: { 'Content-Type': 'text/plain' } } as const;
const OWNED = JSON.stringify({ ownerSubject: 'u_1' });

type ObjectType =
  | 'operation'
  | 'email'
  | 'file'
  | 'upload'
  | 'suppression'
  | 'user'
  | 'apiKey'
  | 'token'
  | 'session'
  | 'tenant'
  | 'cart'
  | 'order';

/** What this test knows of an operation of the OpenAPI document. */
interface Row {
  /** Who may ask at all; `tokens` means keys and tokens. */
  readonly callers: 'public' | 'platform' | 'keys' | 'tokens';
  /** What `{id}` is the id of. */
  readonly object?: ObjectType;
  /** Makes the object under this id when there is none, so that a foreign id is free. */
  readonly makesIt?: true;
  /** Shows these objects, as far as the caller may see them. */
  readonly lists?: ObjectType;
  /** Takes on new work. */
  readonly starts?: true;
  /** Headers and bodies of the protocol. */
  readonly speaks?: 'tus' | 'bytes';
  /** Answers at once only about work that has ended. */
  readonly needsEnded?: true;
}

const CART = { callers: 'tokens', object: 'cart' } as const;
const ORDER = { callers: 'tokens', object: 'order' } as const;
const WORK = { callers: 'tokens', object: 'operation' } as const;

/** An operation without a row fails, and so does a row without an operation. */
const ROWS: Readonly<Record<string, Row>> = {
  startOperation: { callers: 'tokens', starts: true },
  listOperations: { callers: 'tokens', lists: 'operation' },
  getOperation: WORK,
  getTimeline: WORK,
  streamOperation: { ...WORK, needsEnded: true },
  cancelOperation: WORK,
  retryOperation: WORK,
  pauseOperation: WORK,
  resumeOperation: WORK,
  rescheduleOperation: WORK,
  signalOperation: WORK,
  sendEmail: { callers: 'tokens', starts: true },
  getEmail: { callers: 'tokens', object: 'email' },
  listEmailTemplates: { callers: 'keys' },
  previewEmailTemplate: { callers: 'keys' },
  listSuppressions: { callers: 'keys', lists: 'suppression' },
  createSuppression: { callers: 'keys' },
  removeSuppression: { callers: 'keys', object: 'suppression' },
  showUnsubscribe: { callers: 'public' },
  unsubscribe: { callers: 'public' },
  createUpload: { callers: 'tokens', starts: true, speaks: 'tus' },
  getUploadOffset: { callers: 'tokens', object: 'upload', speaks: 'tus' },
  appendToUpload: { callers: 'tokens', object: 'upload', speaks: 'tus' },
  terminateUpload: { callers: 'tokens', object: 'upload', speaks: 'tus' },
  createFile: { callers: 'tokens', starts: true, speaks: 'bytes' },
  listFiles: { callers: 'tokens', lists: 'file' },
  getFile: { callers: 'tokens', object: 'file' },
  getFileContent: { callers: 'tokens', object: 'file' },
  createFileLink: { callers: 'tokens', object: 'file' },
  deleteFile: { callers: 'tokens', object: 'file' },
  transformFile: { callers: 'tokens', object: 'file' },
  getLinkedFile: { callers: 'public' },
  listEvents: { callers: 'keys' },
  putUser: { callers: 'keys', object: 'user', makesIt: true },
  getUser: { callers: 'keys', object: 'user' },
  listUsers: { callers: 'keys', lists: 'user' },
  removeUser: { callers: 'keys', object: 'user' },
  createApiKey: { callers: 'keys' },
  listApiKeys: { callers: 'keys', lists: 'apiKey' },
  revokeApiKey: { callers: 'keys', object: 'apiKey' },
  createToken: { callers: 'keys' },
  listTokens: { callers: 'keys', lists: 'token' },
  revokeToken: { callers: 'keys', object: 'token' },
  createSessionLink: { callers: 'keys' },
  openSession: { callers: 'public' },
  listSessions: { callers: 'keys', lists: 'session' },
  revokeSession: { callers: 'keys', object: 'session' },
  signOut: { callers: 'public' },
  putTenant: { callers: 'platform', object: 'tenant', makesIt: true },
  getTenant: { callers: 'platform', object: 'tenant' },
  listTenants: { callers: 'platform' },
  closeTenant: { callers: 'platform', object: 'tenant' },
  listProducts: { callers: 'tokens' },
  putProduct: { callers: 'keys' },
  listShippingRates: { callers: 'keys' },
  putShippingRate: { callers: 'keys' },
  createCart: { callers: 'tokens', starts: true },
  getCart: CART,
  putCartItem: CART,
  removeCartItem: CART,
  putCartContact: CART,
  checkOut: CART,
  listOrders: { callers: 'tokens', lists: 'order' },
  getOrder: ORDER,
  streamOrder: { ...ORDER, needsEnded: true },
  payOrder: ORDER,
  listRefunds: ORDER,
  approveOrder: { callers: 'keys', object: 'order' },
  voidOrder: { callers: 'keys', object: 'order' },
  reconcileOrder: { callers: 'keys', object: 'order' },
  captureOrder: { callers: 'keys', object: 'order' },
  refundOrder: { callers: 'keys', object: 'order' },
  getLedgerBalance: { callers: 'keys' },
  listStrayPayments: { callers: 'keys' },
  receiveStripeEvent: { callers: 'public' },
  recoverCart: { callers: 'public' },
  visitShop: { callers: 'public' },
  isLive: { callers: 'public' },
  isReady: { callers: 'public' },
  getVersion: { callers: 'public' },
};

interface Described {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly { readonly name: string; readonly required?: boolean }[];
  readonly requestBody?: {
    readonly content: { readonly 'application/json': { example?: unknown; examples?: Record<string, { value: unknown }> } };
  };
}

const NOBODYS: Readonly<Record<ObjectType, string>> = {
  operation: '019ab6a0-7c00-7000-8000-000000000001',
  email: '019ab6a0-7c00-7000-8000-000000000001',
  file: '019ab6a0-7c00-7000-8000-000000000001',
  upload: '019ab6a0-7c00-7000-8000-000000000001',
  suppression: '019ab6a0-7c00-7000-8000-000000000001',
  cart: '019ab6a0-7c00-7000-8000-000000000001',
  order: '019ab6a0-7c00-7000-8000-000000000001',
  user: 'u_nobody',
  apiKey: 'zzzzzzzz',
  token: 'zzzzzzzz',
  session: 'zzzzzzzz',
  tenant: 'nobody',
};

const api = await startApi();
after(() => api[Symbol.asyncDispose]());
const [tenant, other] = [await api.newTenant(), await api.newTenant()];
const document = (await api.call('GET', '/openapi.json')).body;
const operations = Object.entries<Record<string, Described>>(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, described]) => ({ path, method: method.toUpperCase(), ...described })),
);

/** Makes an object of a tenant; work belongs to the subject u_1. */
async function make(type: ObjectType, { id: tenantId, key }: { readonly id: string; readonly key: string }): Promise<string> {
  if (type === 'operation' || type === 'email')
    return (await api.call('POST', '/v1/operations', { key, body: { ...START, ownerSubject: 'u_1' } })).body.id;
  if (type === 'file') {
    const path = `/v1/files?name=a.txt&start=${encodeURIComponent(OWNED)}`;
    const { body } = await api.call('POST', path, { key, body: 'hello', headers: { 'Content-Type': 'text/plain' } });
    return body.links.resource.split('/').at(-1);
  }
  if (type === 'upload') {
    const headers = { ...TUS, 'Upload-Metadata': `start ${Buffer.from(OWNED).toString('base64')}` };
    return (await api.call('POST', '/v1/uploads', { key, headers })).headers.get('location')?.split('/').at(-1) ?? '';
  }
  if (type === 'suppression') {
    const body = { address: `${crypto.randomUUID()}@example.com` };
    return (await api.call('POST', '/v1/suppressions', { key, body })).body.id;
  }
  if (type === 'cart') return (await newCart(key)).id;
  if (type === 'order') return newOrder(key);
  if (type === 'apiKey') return (await api.newKey(tenantId, ['*'])).id;
  if (type === 'token') return (await api.newToken(tenantId)).id;
  if (type === 'session') return newSession(tenantId);
  if (type === 'tenant') return tenantId;
  const id = `u_${crypto.randomUUID()}`;
  await api.call('PUT', `/v1/users/${id}`, { key, body: {} });
  return id;
}

async function newSession(tenantId: string): Promise<string> {
  const made = await api.store.apiKeys.create({
    ...{ tenantId, kind: 'session', name: 'session', scopes: ['*'], expiresAt: new Date(Date.now() + 600_000) },
    ...{ actor: { actor: 'test' }, now: new Date() },
  });
  assert.ok(made.outcome === 'created');
  return made.key.id;
}

async function newCart(key: string): Promise<Answer['body']> {
  const product = { name: 'Brass gear', prices: [{ amount: 1990, currency: 'EUR' }], stock: 1_000 };
  await api.call('PUT', '/v1/products/brass-gear', { key, body: product });
  const body = { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 1 }], ownerSubject: 'u_1' };
  return (await api.call('POST', '/v1/carts', { key, body })).body;
}

async function newOrder(key: string): Promise<string> {
  const { id, quote } = await newCart(key);
  const headers = { 'Idempotency-Key': `order-${id}` };
  return (await api.call('POST', `/v1/carts/${id}/checkout`, { key, headers, body: { quoteHash: quote.quoteHash } })).body.id;
}

/** Nobody works at what was started, so its end is made here. */
async function end(id: string): Promise<void> {
  await api.call('POST', `/v1/operations/${id}/cancel`, { key: tenant.key });
  const { orders } = api.store.checkout;
  if ((await orders.get(tenant.id, id)) !== undefined) await orders.settleAbandoned({ tenantId: tenant.id, orderId: id, now: new Date() });
}

const TYPES = [
  'operation',
  'email',
  'file',
  'upload',
  'suppression',
  'user',
  'apiKey',
  'token',
  'session',
  'tenant',
  'cart',
  'order',
] as const;
const own = new Map<ObjectType, string>();
const foreign = new Map<ObjectType, string>();
for (const type of TYPES) {
  own.set(type, await make(type, tenant));
  foreign.set(type, await make(type, other));
}

/** Secrets that open nothing, whatever the route. */
async function badSecrets(): Promise<readonly string[]> {
  const { newSecret } = api.store.system.apiKeys;
  const past = new Date(Date.now() - 1);
  const revokedKey = await api.newKey(tenant.id, ['*']);
  await api.call('DELETE', `/v1/api-keys/${revokedKey.id}`, { key: tenant.key });
  const revokedToken = await api.newToken(tenant.id);
  await api.call('DELETE', `/v1/tokens/${revokedToken.id}`, { key: tenant.key });
  const { link } = (await api.call('POST', '/v1/sessions', { key: tenant.key })).body;
  const { key: token } = await api.newToken(tenant.id);
  return [
    ...['x', 'ns_abcdefgh_short', 'nt_abcdefgh_short', `${tenant.key}x`, token.replace('nt_', 'ns_')],
    ...[newSecret().secret, newSecret('token').secret, newSecret('session').secret],
    ...[revokedKey.key, revokedToken.key],
    ...[(await api.newKey(tenant.id, ['*'], past)).key, (await api.newToken(tenant.id, { expiresAt: past })).key],
    // Good for a browser, not as a bearer.
    link.slice(link.lastIndexOf('/') + 1),
  ];
}
const bad = await badSecrets();
const powerlessKey = (await api.newKey(tenant.id, ['reports:read'])).key;
const token = (await api.newToken(tenant.id)).key;
const strangersToken = (await api.newToken(tenant.id, { subject: 'u_2' })).key;
const elsewheresToken = (await api.newToken(tenant.id, { resources: [`operation/${NOBODYS.operation}`] })).key;

function withoutRequestId(answer: Answer): unknown {
  return { ...answer.body, requestId: '' };
}

it('every operation of the document has a row, and every row an operation', () => {
  assert.deepEqual(operations.map(({ operationId }) => operationId).toSorted(), Object.keys(ROWS).toSorted());
});

for (const { operationId, path, method, security, parameters = [], requestBody } of operations) {
  const row = ROWS[operationId];
  if (row === undefined) continue;
  const { callers, object } = row;
  const media = requestBody?.content['application/json'];
  const assertProblem = (answer: Answer, status: number, code: string): void =>
    // The answer to HEAD has no body to look into.
    method === 'HEAD' ? assert.equal(answer.status, status) : assertWholeProblem(answer, status, code);
  const isKeyed = parameters.some(({ name, required }) => name === 'Idempotency-Key' && required === true);
  const body = media?.example ?? Object.values(media?.examples ?? {})[0]?.value;
  const ask = (id: string, options: CallOptions) =>
    api.call(
      method,
      path
        .replace('{id}', id)
        .replace('{sku}', 'brass-gear')
        .replace('{currency}', 'EUR')
        .replace('{name}', operationId === 'previewEmailTemplate' ? 'welcome' : 'retryNow'),
      {
        ...(row.speaks === 'bytes' ? { body: 'hello' } : { body }),
        ...options,
        headers: {
          ...(isKeyed ? { 'Idempotency-Key': crypto.randomUUID() } : {}),
          ...(row.speaks === undefined ? {} : SPOKEN[row.speaks]),
          ...options.headers,
        },
      },
    );
  const ownId = object === undefined ? '' : (own.get(object) ?? '');
  const foreignId = object === undefined ? '' : (foreign.get(object) ?? '');

  /** What the caller may not see looks like what is not there. */
  async function assertHidden(key: string, id: string): Promise<void> {
    const hidden = await ask(id, { key });
    assertProblem(hidden, 404, 'not_found');
    assert.deepEqual(withoutRequestId(hidden), withoutRequestId(await ask(object === undefined ? '' : NOBODYS[object], { key })));
  }

  async function assertRefused(options: CallOptions, status: number, code: string): Promise<void> {
    assertProblem(await ask(ownId, options), status, code);
  }

  describe(`${operationId}: ${method} ${path}`, () => {
    it('says who may ask', () => {
      const names = new Set(security.flatMap((entry) => Object.keys(entry)));
      assert.equal(names.has('key'), callers !== 'public');
      assert.equal(names.has('session'), callers === 'keys' || callers === 'tokens');
      assert.equal(names.has('token'), callers === 'tokens');
    });
    if (callers === 'public') return;

    it('refuses no key, and those that are malformed, unknown, revoked or expired', async () => {
      for (const key of [undefined, ...bad]) {
        const answer = await ask(ownId, { key });
        assertProblem(answer, 401, 'unauthenticated');
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
      }
      await assertRefused({ headers: { Authorization: 'Basic eDp5' } }, 401, 'unauthenticated');
    });

    if (callers === 'platform') {
      it('refuses all but platform keys', async () => {
        for (const key of [tenant.key, powerlessKey, token]) await assertRefused({ key }, 403, 'platform_key_required');
      });
      return;
    }

    it('refuses the wrong scope', async () => {
      await assertRefused({ key: powerlessKey }, 403, 'insufficient_scope');
      if (callers !== 'tokens') return;
      const scopes = [method === 'GET' ? 'email:write' : 'email:read'];
      await assertRefused({ key: (await api.newToken(tenant.id, { scopes })).key }, 403, 'insufficient_scope');
    });

    it('keeps tenants apart', async () => {
      await assertRefused({ key: api.platformKey }, 400, 'tenant_required');
      await assertRefused({ key: api.platformKey, headers: { 'Nightshift-Tenant': 'nobody' } }, 404, 'not_found');
      for (const key of callers === 'tokens' ? [tenant.key, token] : [tenant.key])
        await assertRefused({ key, headers: { 'Nightshift-Tenant': other.id } }, 403, 'platform_key_required');
      if (object !== undefined && row.makesIt !== true) await assertHidden(tenant.key, foreignId);
      if (row.lists !== undefined) {
        const text = (await ask('', { key: tenant.key })).text;
        assert.ok(text.includes(own.get(row.lists) ?? '?') && !text.includes(foreign.get(row.lists) ?? '?'));
      }
    });

    it('shows a token nothing of another subject', async () => {
      if (callers === 'keys') return assertRefused({ key: strangersToken }, 403, 'key_required');
      if (object !== undefined) return assertHidden(strangersToken, ownId);
      const answer = await ask('', { key: strangersToken });
      if (row.lists !== undefined)
        assert.ok(
          answer.body.data.every((entry: { ownerSubject?: string }) => entry.ownerSubject === 'u_2'),
          answer.text,
        );
      else if (row.speaks === 'tus') assert.equal(answer.status, 201);
      else if (row.starts === true) assert.deepEqual([answer.status < 300, answer.body.ownerSubject], [true, 'u_2'], answer.text);
    });

    it('shows a token nothing beside its resources', async () => {
      if (callers === 'keys') return assertRefused({ key: elsewheresToken }, 403, 'key_required');
      if (object !== undefined) return assertHidden(elsewheresToken, ownId);
      if (row.starts === true) return assertRefused({ key: elsewheresToken }, 403, 'insufficient_scope');
      if (row.lists !== undefined) assert.deepEqual((await ask('', { key: elsewheresToken })).body.data, []);
    });

    it('lets in who may', async () => {
      for (const key of callers === 'tokens' ? [tenant.key, token] : [tenant.key]) {
        const id = object === undefined ? '' : await make(object, tenant);
        if (row.needsEnded === true) await end(id);
        const answer = await ask(id, { key });
        assert.ok(answer.status < 300 || answer.status === 409, answer.text);
      }
    });
  });
}

describe('createFile, of an object elsewhere', () => {
  const ask = (key: string) => api.call('POST', '/v1/files', { key, body: { source: 's3://bucket/key' } });

  it('is for keys with the scope, not for tokens, and only where a setting lets the tenant', async () => {
    assertWholeProblem(await ask('ns_nobody'), 401, 'unauthenticated');
    assertWholeProblem(await ask(powerlessKey), 403, 'insufficient_scope');
    assertWholeProblem(await ask(token), 403, 'key_required');
    assertWholeProblem(await ask(tenant.key), 403, 'source_not_allowed');
  });
});

it('nothing of all that was refused has changed anything', async () => {
  assert.equal((await api.call('GET', `/v1/operations/${own.get('operation')}`, { key: tenant.key })).body.status, 'accepted');
  const rows = await api.sql(other.id, `select id from api_key where revoked_at is not null`);
  assert.deepEqual(rows, []);
  assert.equal((await api.call('GET', `/v1/users/${foreign.get('user')}`, { key: other.key })).status, 200);
});
