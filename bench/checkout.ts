import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import * as z from 'zod';
import { startTwinProcess, type TwinProcess } from '../chaos/checkout/twin.ts';
import { TimedClient } from './lib/client.ts';
import { type Figure, report } from './lib/results.ts';
import { quantile, spreadOf } from './lib/stats.ts';
import type { BenchSize } from './start.ts';
import { type BenchWorld, startWorld } from './lib/world.ts';

const SKU = 'bench-gear';
const WARM_UP = 10;
/** Parts of a series whose quantiles are compared, for the spread. */
const PARTS = 5;
const P95 = 0.95;

const Cart = z.object({ id: z.string(), quote: z.object({ quoteHash: z.string() }) });
const Operation = z.object({ id: z.string() });
const Order = z.object({ state: z.string(), payment: z.object({ clientSecret: z.string().optional() }) });

/** From a webhook of the payment provider to the buyer's stream; and what acknowledging one takes, against a bare insert that is on the disk. */
export async function benchCheckout(size: BenchSize): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-checkout-'));
  await using twin = await startTwinProcess(folder);
  try {
    await using world = await startWorld(size.tree, {
      STRIPE_API_KEY: twin.keys.secret,
      STRIPE_PUBLISHABLE_KEY: twin.keys.publishable,
      STRIPE_WEBHOOK_SECRETS: twin.keys.webhookSecret,
      STRIPE_URL: twin.url,
    });
    const client = new TimedClient(world.apiUrl, { connections: 4, apiKey: world.product.apiKey });
    const parts = { world, twin, client };
    const product = { name: 'Gear', prices: [{ amount: 1990, currency: 'EUR' }], taxPercent: 19, stock: 100_000 };
    await client.expectOk({ method: 'PUT', path: `/v1/products/${SKU}`, body: product });
    const figures = [...(await measureStream(parts, size.pairs)), ...(await measureAcknowledgement(parts, size.posts))];
    client.close();
    return report('checkout', figures, { ...size, tree: undefined });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Parts {
  readonly world: BenchWorld;
  readonly twin: TwinProcess;
  readonly client: TimedClient;
}

async function measureStream(parts: Parts, count: number): Promise<readonly Figure[]> {
  const tookMs: number[] = [];
  for (let ordinal = -WARM_UP; ordinal < count; ordinal += 1) {
    const took = await webhookToStream(parts);
    if (ordinal >= 0) tookMs.push(took);
  }
  return [
    { name: 'webhook → the buyer’s stream says paid, p50', unit: 'ms', ...partsOf(tookMs, 0.5) },
    { name: 'webhook → the buyer’s stream says paid, p95', unit: 'ms', atMost: 500, ...partsOf(tookMs, P95) },
  ];
}

/** An order waits for its buyer, who pays in the provider's form; the provider says so, and the page hears of it. */
async function webhookToStream(parts: Parts): Promise<number> {
  const { client, twin } = parts;
  const made = await client.expectOk({ method: 'POST', path: '/v1/carts', body: { currency: 'EUR', items: [{ sku: SKU, quantity: 1 }] } });
  const { id: cartId, quote } = Cart.parse(JSON.parse(made.text));
  const headers = { 'Idempotency-Key': randomUUID() };
  const body = { quoteHash: quote.quoteHash };
  const order = await client.expectOk({ method: 'POST', path: `/v1/carts/${cartId}/checkout`, headers, body });
  const { id } = Operation.parse(JSON.parse(order.text));
  const intentId = await intentOf(client, id);
  const { said } = await followUntil(parts, id, 'paid');
  await twin.pay(intentId, 'pm_card_visa');
  const told = await tell(parts, { type: 'payment_intent.succeeded', object: { id: intentId, object: 'payment_intent', metadata: {} } });
  return (await said) - told.sentAt;
}

async function intentOf(client: TimedClient, orderId: string): Promise<string> {
  for (;;) {
    const { text } = await client.expectOk({ method: 'GET', path: `/v1/orders/${orderId}` });
    const { state, payment } = Order.parse(JSON.parse(text));
    if (state === 'needs_payment_method' && payment.clientSecret !== undefined) return payment.clientSecret.replace(/_secret_.*/, '');
  }
}

/** Resolves once the stream is open; `said`: the moment at which it says that the order is in this state. */
async function followUntil({ world }: Parts, orderId: string, state: string): Promise<{ readonly said: Promise<number> }> {
  const opened = Promise.withResolvers<void>();
  const said = Promise.withResolvers<number>();
  const headers = { Authorization: `Bearer ${world.product.apiKey}` };
  const request = get(`${world.apiUrl}/v1/orders/${orderId}/stream`, { headers }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      // What was before comes first: then it is open.
      if (text.includes('"needs_payment_method"')) opened.resolve();
      if (!text.includes(`"state":"${state}"`)) return;
      said.resolve(performance.now());
      request.destroy();
    });
    answer.on('error', () => undefined);
  });
  request.on('error', (error) => said.reject(error));
  await opened.promise;
  return { said: said.promise };
}

interface Told {
  readonly type: string;
  readonly object: object;
}

/** A webhook as the provider sends it, signed by its secret. */
function tell({ client, twin }: Parts, { type, object }: Told) {
  const created = Math.floor(Date.now() / 1000);
  const event = { id: `evt_${randomUUID()}`, object: 'event', type, created, livemode: false, data: { object } };
  const signature = createHmac('sha256', twin.keys.webhookSecret)
    .update(`${created}.${JSON.stringify(event)}`)
    .digest('hex');
  const headers = { 'Stripe-Signature': `t=${created},v1=${signature}` };
  return client.expectOk({ method: 'POST', path: '/hooks/stripe', headers, body: event });
}

/** In turns: an event of somebody else's object, which is stored and acknowledged all the same, and one row of as many bytes. */
async function measureAcknowledgement(parts: Parts, count: number): Promise<readonly Figure[]> {
  const database = new pg.Client({ connectionString: parts.world.product.endpoints['databaseOwner'] });
  await database.connect();
  await database.query(
    'create table bench_event (id text primary key, type text not null, object_id text not null, at timestamptz not null)',
  );
  const product: number[] = [];
  const bare: number[] = [];
  for (let ordinal = -WARM_UP; ordinal < count; ordinal += 1) {
    const { tookMs } = await tell(parts, { type: 'customer.updated', object: { id: `cus_${ordinal}`, object: 'customer' } });
    const startedAt = performance.now();
    await database.query({
      name: 'insert',
      text: 'insert into bench_event (id, type, object_id, at) values ($1, $2, $3, $4)',
      values: [`evt_${randomUUID()}`, 'customer.updated', `cus_${ordinal}`, new Date()],
    });
    if (ordinal < 0) continue;
    product.push(tookMs);
    bare.push(performance.now() - startedAt);
  }
  const { rows } = await database.query<{ fsync: string; commit: string }>(
    "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit",
  );
  await database.end();
  if (rows[0]?.fsync !== 'on' || rows[0].commit !== 'on') throw new Error('The database does not write through to the disk.');
  const p95 = { product: partsOf(product, P95), bare: partsOf(bare, P95) };
  const ratios = chunks(product).map((chunk, part) => quantile(chunk, P95) / quantile(chunks(bare)[part] ?? [], P95));
  return [
    {
      ...{ name: 'webhook acknowledged, p95 ÷ a bare insert on the disk', unit: '÷', atMost: 3 },
      ...{ value: p95.product.value / p95.bare.value, min: Math.min(...ratios), max: Math.max(...ratios) },
    },
    { name: 'webhook acknowledged, p95', unit: 'ms', ...p95.product },
    { name: 'bare insert on the disk, p95', unit: 'ms', ...p95.bare },
    { name: 'webhook acknowledged, p50 ÷ a bare insert', unit: '÷', ...spreadOf([quantile(product, 0.5) / quantile(bare, 0.5)]) },
  ];
}

/** The quantile of the whole series, and how far it moves from part to part. */
function partsOf(values: readonly number[], share: number) {
  const each = chunks(values).map((chunk) => quantile(chunk, share));
  return { value: quantile(values, share), min: Math.min(...each), max: Math.max(...each) };
}

function chunks(values: readonly number[]): readonly (readonly number[])[] {
  const size = Math.ceil(values.length / PARTS);
  return Array.from({ length: PARTS }, (_, part) => values.slice(part * size, (part + 1) * size)).filter((chunk) => chunk.length > 0);
}
