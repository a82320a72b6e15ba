// What people copy first: the sample of every kind, and every example of the reference that starts work.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FileSource } from '../../src/contracts/files/source.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { type Api, startApi } from './fixture.ts';

const SAMPLES = join(import.meta.dirname, '../../samples');
const SOURCE_SAMPLE = join(SAMPLES, 'files/source.json');

interface DescribedPost {
  readonly operationId: string;
  readonly requestBody?: { readonly content: { readonly 'application/json'?: { readonly examples?: Record<string, { value: object }> } } };
  readonly responses: Readonly<Record<string, unknown>>;
}

let api: Api;
let key: string;
let tenantId: string;

before(async () => {
  api = await startApi();
  const tenant = await api.newTenant();
  ({ id: tenantId, key } = tenant);
  // Work on a file names one that has to be there.
  await api.newFile(tenant.id);
});
after(() => api[Symbol.asyncDispose]());

/** `samples/{kind}.json`, or in the folder of a feature that has several kinds. */
function sampleOf(kind: { readonly name: string; readonly feature: string }): string | undefined {
  return [join(SAMPLES, `${kind.name}.json`), join(SAMPLES, kind.feature, `${kind.name}.json`)].find((file) => existsSync(file));
}

/** Some kinds of work are not begun without. */
function keyed() {
  return { 'Idempotency-Key': crypto.randomUUID() };
}

type Input = Readonly<Record<string, unknown>>;

/** Inputs that name what must exist get something real under these names. */
const REAL: Readonly<Record<string, (input: Input) => Promise<Input>>> = {
  order: async (input) => {
    const { id, quote } = await newCart();
    return { ...input, cartId: id, quoteHash: quote.quoteHash };
  },
  refund: async (input) => {
    const { id, quote } = await newCart();
    const { body } = await api.call('POST', `/v1/carts/${id}/checkout`, { key, headers: keyed(), body: { quoteHash: quote.quoteHash } });
    await api.sql(tenantId, "update checkout_order set captured_amount = total_amount, state = 'paid' where id = $1", [body.id]);
    return { ...input, orderId: body.id };
  },
};

async function newCart() {
  const product = { name: 'Brass gear', prices: [{ amount: 1990, currency: 'EUR' }], stock: 1_000 };
  await api.call('PUT', '/v1/products/brass-gear', { key, body: product });
  return (await api.call('POST', '/v1/carts', { key, body: { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 1 }] } })).body;
}

async function real(kind: string, input: Input): Promise<Input> {
  return (await REAL[kind]?.(input)) ?? input;
}

describe('samples', () => {
  for (const kind of Object.values(KINDS))
    it(`have one that is taken, for the kind ${kind.name}`, async () => {
      const file = sampleOf(kind);
      assert.ok(file !== undefined, `samples has no ${kind.name}.json`);
      for (const input of [JSON.parse(readFileSync(file, 'utf8')), kind.example]) {
        const body = { kind: kind.name, input: await real(kind.name, input) };
        const answer = await api.call('POST', '/v1/operations', { key, headers: keyed(), body });
        assert.equal(answer.status, 202, answer.text);
      }
    });

  it('have one of an object elsewhere that is to be a file, which is understood', () => {
    FileSource.parse(JSON.parse(readFileSync(SOURCE_SAMPLE, 'utf8')));
  });

  it('are all of a kind that there is, or of an object elsewhere', () => {
    const known = new Set([...Object.values(KINDS).map(sampleOf), SOURCE_SAMPLE]);
    assert.deepEqual(
      globSync(join(SAMPLES, '**/*.json')).filter((file) => !known.has(file)),
      [],
    );
  });
});

it('every example of the reference that starts work is taken as it stands', async () => {
  const { body: document } = await api.call('GET', '/openapi.json');
  // The users whom examples name.
  await api.call('PUT', '/v1/users/u_42', { key, body: { email: 'ada@example.com' } });
  const paths = Object.entries<Record<string, DescribedPost>>(document.paths);
  let taken = 0;
  for (const [path, { post }] of paths) {
    if (post?.responses['202'] === undefined || path.includes('{')) continue;
    for (const [name, { value }] of Object.entries(post.requestBody?.content['application/json']?.examples ?? {})) {
      const body = path === '/v1/operations' ? { ...value, input: await real(name, inputOf(value)) } : value;
      const answer = await api.call('POST', path, { key, headers: keyed(), body });
      assert.equal(answer.status, 202, `${post.operationId} ${name}: ${answer.text}`);
      taken += 1;
    }
  }
  assert.ok(taken >= Object.keys(KINDS).length);
});

function inputOf(value: object): Input {
  return 'input' in value && typeof value.input === 'object' ? { ...value.input } : {};
}
