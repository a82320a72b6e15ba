// What becomes of mails that were accepted, and whose feature was switched off before they were sent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createMailer } from '../../src/adapters/mailer.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { OperationRow } from '../../src/store/operations.ts';
import { type Core, startCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { type Ground, useGround } from '../support/ground.ts';
import { type SmtpScriptServer, startSmtpScript } from '../support/smtp-script.ts';

let ground: Ground;
let server: SmtpScriptServer;
let core: Core | undefined;

before(async () => {
  ground = await useGround();
  server = await startSmtpScript();
});
after(async () => {
  await core?.[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** The product's core, started anew with these features. */
async function restart(features: string): Promise<Core> {
  await core?.[Symbol.asyncDispose]();
  core = undefined;
  const queues = features.includes('email') ? (['core', 'mail'] as const) : (['core'] as const);
  core = await startCore(ground, { mailer: createMailer({ smtpUrl: server.url }), queues, environment: { FEATURES: features } });
  return core;
}

async function accept({ deps }: Core, tenantId: string): Promise<string> {
  const input = { to: ['ada@example.com'], subject: 'Hello', text: 'It works.' };
  const request = { tenantId, kind: KINDS.email, input, start: {}, actor: { actor: 'key:test' }, now: new Date() };
  const accepted = await deps.store.operations.accept(request);
  assert.ok(accepted.outcome === 'created');
  return accepted.operation.id;
}

async function shows({ deps }: Core, at: { readonly tenantId: string; readonly id: string }, status: string): Promise<OperationRow> {
  return eventually(async () => {
    const row = await deps.store.operations.get(at.tenantId, at.id);
    assert.ok(row?.status === status, row?.status);
    return row;
  });
}

test('mails wait, can be cancelled, and go out once the feature is on again', async () => {
  const off = await restart('files');
  const tenantId = await off.newTenant();
  const [waiting, cancelled] = [await accept(off, tenantId), await accept(off, tenantId)];
  for (const id of [waiting, cancelled]) await shows(off, { tenantId, id }, 'running');
  // Its workflow is past the opening step, which sends when the feature is on.
  const { client } = off.serving.temporal;
  for (const id of [waiting, cancelled])
    await eventually(async () => {
      const { raw } = await client.workflow.getHandle(`email:${tenantId}:${id}`).describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'sendEmail');
    });
  await off.deps.store.operations.requestCancel({ tenantId, id: cancelled, actor: { actor: 'key:test' }, now: new Date() });
  await shows(off, { tenantId, id: cancelled }, 'cancelled');
  assert.equal(server.accepted.length, 0);

  const on = await restart('email');
  await shows(on, { tenantId, id: waiting }, 'succeeded');
  assert.deepEqual(
    server.accepted.map(({ messageId }) => messageId.includes(waiting)),
    [true],
  );
});
