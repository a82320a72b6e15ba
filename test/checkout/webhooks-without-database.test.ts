// The provider speaks while the database is away: it is not told that it was heard, says it again, and nothing is lost.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import Stripe from 'stripe';
import { createPayments } from '../../src/adapters/payments.ts';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { type Api, startApi } from '../api/fixture.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';
import { type OpenTwin, openTwin } from '../support/stripe-twin.ts';

/** Until it holds. */
function soon(holds: () => Promise<void>): Promise<boolean> {
  return eventually(async () => {
    await holds();
    return true;
  }, WAIT);
}

const WAIT = { timeoutMs: 90_000 };

/** The way to the database, which can be cut. */
interface Way {
  readonly database: GroundDatabase;
  cut(): void;
  mend(): void;
  close(): void;
}

async function openWay(database: GroundDatabase): Promise<Way> {
  const url = new URL(database.databaseUrl);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    if (isCut) return void socket.destroy();
    const onward = connect(Number(url.port), url.hostname);
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on a port
  const viaWay = new URL(url);
  viaWay.hostname = '127.0.0.1';
  viaWay.port = String(port);
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    database: { ...database, databaseUrl: viaWay.href },
    cut() {
      isCut = true;
      drop();
    },
    mend() {
      isCut = false;
    },
    close() {
      server.close();
      drop();
    },
  };
}

let way: Way;
let twin: OpenTwin;
let api: Api;
let owner: pg.Client;

before(async () => {
  const database = await useDatabase();
  way = await openWay(database);
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const port = await freePort();
  twin = await openTwin({ webhookUrl: `http://127.0.0.1:${port}/hooks/stripe` });
  api = await startApi({ payments: createPayments(twin.account) }, way.database, port);
});
after(async () => {
  await api[Symbol.asyncDispose]();
  await twin[Symbol.asyncDispose]();
  await owner.end();
  way.close();
});

async function stored(): Promise<readonly string[]> {
  const { rows } = await owner.query<{ event_id: string }>('select event_id from stripe_inbox');
  return rows.map((row) => row.event_id).toSorted();
}

test('a webhook that can not be stored is not acknowledged, and is stored when it comes again', async () => {
  const stripe = new Stripe(twin.account.secretKey, placeOf(twin.url));
  way.cut();
  const { id } = await stripe.paymentIntents.create({ amount: 1990, currency: 'eur', automatic_payment_methods: { enabled: true } });
  await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: 'https://shop.example.com/back' });
  const events = (await stripe.events.list()).data.map((event) => event.id).toSorted();
  assert.equal(events.length, 3);
  const undelivered = async () => (await stripe.events.list({ delivery_success: false })).data.map((event) => event.id).toSorted();
  const payload = JSON.stringify((await stripe.events.list()).data[0]);
  const [secret = ''] = twin.account.webhookSecrets;
  const headers = { 'Stripe-Signature': await stripe.webhooks.generateTestHeaderStringAsync({ payload, secret }) };
  const answer = await fetch(`${api.url}/hooks/stripe`, { method: 'POST', body: payload, headers });
  assert.equal(answer.status, 503);
  assert.deepEqual(await stored(), []);
  const waiting = await undelivered();
  assert.ok(events.every((event) => waiting.includes(event)));
  way.mend();
  await twin.advanceSeconds(60);
  await soon(async () => {
    const known = await stored();
    assert.deepEqual(
      events.filter((event) => !known.includes(event)),
      [],
    );
  });
  await soon(async () => assert.deepEqual(await undelivered(), []));
});
