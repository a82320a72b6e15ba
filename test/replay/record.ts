// Records the histories that the replay gate replays, all anew: `npm run histories`. Until the first release only; then they are immutable.
import { beforeEach, test } from 'node:test';
import { recordHistory } from '../../scripts/record-histories.ts';
import { useMailWorld } from '../email/world.ts';

const world = useMailWorld();
const PUT_OFF = { at: 'rcpt', act: 451 } as const;
const REFUSED = { at: 'rcpt', act: 550 } as const;
const RECIPIENTS = ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com', 'e@example.com'];

async function record(id: string, output: string): Promise<void> {
  const row = await world.core().deps.store.operations.get(world.tenantId(), id);
  if (row === undefined) throw new Error(`there is no operation ${id}`);
  const { ground, serving } = world.core();
  await serving.temporal.client.workflow.getHandle(row.workflow_id).result();
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId: row.workflow_id, output });
}

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
});

test('the warm-up', async () => {
  const { client } = world.core().serving.temporal;
  const handle = await client.workflow.start('warmUp', { workflowId: 'warm-up:recorded', taskQueue: 'core' });
  await handle.result();
  const { ground } = world.core();
  await recordHistory({
    address: ground.temporalAddress,
    namespace: ground.namespace,
    workflowId: 'warm-up:recorded',
    output: 'warmUp/happy',
  });
});

test('happy', async () => {
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.reaches(id, 'succeeded');
  await record(id, 'email/happy');
});

test('many recipients', async () => {
  const { id } = await world.send({ to: RECIPIENTS });
  await world.reaches(id, 'succeeded');
  await record(id, 'email/many');
});

test('put off, then taken after retryNow', async () => {
  world.plan([PUT_OFF, PUT_OFF]);
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.shows(id, 'put_off');
  await world.call('POST', `/v1/operations/${id}/signals/retryNow`, { reason: 'recorded' });
  await world.reaches(id, 'succeeded');
  await record(id, 'email/put-off');
});

test('paused while put off, resumed', async () => {
  world.always(PUT_OFF);
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.shows(id, 'put_off');
  await world.call('POST', `/v1/operations/${id}/pause`, {});
  await world.shows(id, 'paused');
  world.always(undefined);
  await world.call('POST', `/v1/operations/${id}/resume`, {});
  await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
  await world.reaches(id, 'succeeded');
  await record(id, 'email/paused');
});

test('refused, and tried again', async () => {
  world.plan([REFUSED]);
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.reaches(id, 'failed');
  await record(id, 'email/refused');
  const { body } = await world.call('POST', `/v1/operations/${id}/retry`, {});
  await world.reaches(body.id, 'succeeded');
  await record(body.id, 'email/retried');
});

test('cancelled while put off', async () => {
  world.always(PUT_OFF);
  const { id } = await world.send({ to: ['a@example.com', 'b@example.com'] });
  await world.shows(id, 'put_off');
  await world.call('POST', `/v1/operations/${id}/cancel`, {});
  await world.reaches(id, 'cancelled');
  await record(id, 'email/cancelled');
});

test('cancelled while it is sent', async () => {
  world.plan([undefined, undefined, { at: 'rcpt', act: 'stall' }]);
  const { id } = await world.send({ to: RECIPIENTS });
  while (world.arrived(id).length < 2) await new Promise((resolve) => setImmediate(resolve));
  await world.call('POST', `/v1/operations/${id}/cancel`, {});
  await world.reaches(id, 'cancelled');
  await record(id, 'email/cancelled-while-sending');
});

test('held back by a mail server that asked for less mail', async () => {
  world.plan([{ at: 'rcpt', act: 451, says: '4.7.500 Server busy' }]);
  const { id } = await world.send({ to: 'ada@example.com' });
  await world.shows(id, 'route_paused');
  await world.reaches(id, 'succeeded');
  await record(id, 'email/route-paused');
});
