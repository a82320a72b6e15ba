// A mail server that asks for less mail.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { createRouteGate } from '../../src/activities/email/route-gate.ts';
import { eventually } from '../support/eventually.ts';
import type { SmtpFault } from '../support/smtp-script.ts';
import { useMailWorld } from './world.ts';

const world = useMailWorld();
const TOO_MUCH: SmtpFault = { at: 'rcpt', act: 451, says: '4.7.500 Server busy' };
const WAIT = { timeoutMs: 20_000 };

const routes = () => world.core().deps.store.system.emailRoutes;
const pausedForMs = async (route: string): Promise<number> => (await routes().state(route)).pausedForMs;
const isOver = (route: string) => eventually(async () => (await pausedForMs(route)) === 0, WAIT);

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
});

test('one mail that meets a rate limit holds the mails of all back, none is lost, and each gets out after the pause', async () => {
  world.plan([{ ...TOO_MUCH, says: '4.7.500 Server busy, try again in 8 seconds' }]);
  const first = await world.send({ to: 'first@example.com' });
  await world.shows(first.id, 'route_paused');
  const { transactions } = world.server().counts;
  const others = await Promise.all(
    Array.from({ length: 3 }, (_, index) =>
      world.send({ to: [`o${index}@example.com`, `p${index}@example.com`, `q${index}@example.com`] }),
    ),
  );
  const stranger = await world.newTenant();
  const { body: foreign } = await stranger('POST', '/v1/emails', { to: 'eve@example.com', subject: 'Hello', text: 'It works.' });
  const foreignIs = (key: 'phase' | 'status', value: string) =>
    eventually(async () => (await stranger('GET', `/v1/operations/${foreign.id}`)).body[key] === value, WAIT);
  for (const { id } of others) await world.shows(id, 'route_paused');
  await foreignIs('phase', 'route_paused');
  assert.equal(world.server().counts.transactions, transactions);
  for (const { id } of [first, ...others]) await world.reaches(id, 'succeeded');
  await foreignIs('status', 'succeeded');
  assert.equal(world.server().counts.transactions, transactions + 11);
});

test('a recipient who is greylisted holds back nobody else', async () => {
  world.plan([{ at: 'rcpt', act: 451, says: '4.7.1 Greylisting in action, please come back later' }]);
  const grey = await world.send({ to: 'grey@example.com' });
  await world.shows(grey.id, 'put_off');
  const { id } = await world.send({ to: 'ada@example.com' });
  const operation = await world.reaches(id, 'succeeded');
  assert.ok(operation.finishedAt !== undefined);
  await world.reaches(grey.id, 'succeeded');
});

test('a cancel takes effect while a mail waits for the route, and nothing is sent afterwards', async () => {
  world.always(TOO_MUCH);
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.shows(id, 'route_paused');
  await world.call('POST', `/v1/operations/${id}/cancel`, {});
  await world.reaches(id, 'cancelled');
  world.always(undefined);
  const { id: next } = await world.send({ to: 'bob@example.com' });
  await world.reaches(next, 'succeeded');
  assert.deepEqual(world.arrived(id), []);
});

test('pauses grow, what is found out at the same time counts once, and a mail that gets out makes the next one shorter', async () => {
  const route = 'relay:25';
  await Promise.all(Array.from({ length: 5 }, () => routes().pause(route)));
  const firstMs = await pausedForMs(route);
  assert.ok(firstMs > 0 && firstMs <= 2_000, String(firstMs));
  await isOver(route);
  const { pausedForMs: secondMs } = await routes().pause(route);
  assert.ok(secondMs > 2_000 && secondMs <= 4_000, String(secondMs));
  assert.equal(await pausedForMs('other:25'), 0);
  await isOver(route);
  assert.deepEqual(
    await Promise.all([routes().ease(route), routes().ease(route)]).then((states) => states.map(({ isStruck }) => isStruck)),
    [false, false],
  );
  // 2 strikes became 1, whoever said it how often; the next is the second again.
  const { pausedForMs: thirdMs } = await routes().pause(route);
  assert.ok(thirdMs > 2_000 && thirdMs <= 4_000, String(thirdMs));
});

test('a server that says for how long is left alone for so long, within reason', async () => {
  const { pausedForMs: toldMs } = await routes().pause('told:25', 60_000);
  assert.ok(toldMs > 30_000 && toldMs <= 60_000, String(toldMs));
  const { pausedForMs: againMs } = await routes().pause('told:25', 1_000);
  assert.ok(againMs > 20_000 && againMs <= toldMs, String(againMs));
  const { pausedForMs: absurdMs } = await routes().pause('told:25', 90 * 24 * 3_600_000);
  assert.ok(absurdMs > 600_000 && absurdMs <= 900_000, String(absurdMs));
});

test('another process holds its mails back too, and asks no more than once a second', async () => {
  let questions = 0;
  const counted = {
    ...routes(),
    state: (route: string) => {
      questions += 1;
      return routes().state(route);
    },
  };
  const here = createRouteGate(counted, 'shared:25');
  const there = createRouteGate(routes(), 'shared:25');
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => here.pausedForMs())), Array(20).fill(0));
  assert.equal(questions, 1);
  await there.heed({ outcome: 'deferred', code: 421, slowDown: { forMs: 60_000 } });
  await eventually(async () => (await here.pausedForMs()) > 0, WAIT);
});
