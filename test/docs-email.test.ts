// Runs the commands of docs/email.md, as somebody who reads it would.
import assert from 'node:assert/strict';
import { eventually } from './support/eventually.ts';
import { type Checks, describeHowTo, useHowTo } from './support/how-to.ts';

const howTo = useHowTo();

/** What each section must have done, seen over REST. */
const CHECKS: Checks = {
  Send: async () => {
    const id = await howTo.run('echo $ID');
    const { body } = await howTo.product().call('GET', `/v1/emails/${id}`);
    assert.equal(body.status, 'succeeded');
    assert.equal((await howTo.product().mailbox()).filter((mail) => mail.startsWith(body.messageId)).length, 4);
  },
  Follow: async (output) => {
    assert.match(output, /"status":"succeeded"/);
    assert.match(output, /"activity":"openEmail"/);
    assert.match(output, /event: done/);
  },
  Templates: async (output) => {
    assert.match(output, /Ihre Quittung zur Bestellung A-4711/);
    assert.match(output, /"subject":"Willkommen bei Lovelace Engines, Ada".*"state":"sent"/);
  },
  Attachments: async (output) => assert.match(output, /"sent":1/),
  'Tell somebody how it ended': async () => {
    const told = (await howTo.product().mailbox()).filter((mail) => /(ops|grace)@example\.com$/.test(mail));
    assert.equal(told.length, 2);
  },
  'When the mail server is not ready': async () => {
    const id = await howTo.run('echo $ID');
    const { body } = await howTo.product().call('GET', `/v1/emails/${id}`);
    assert.deepEqual(
      body.recipients.map((one: { state: string }) => one.state),
      ['sent', 'pending'],
    );
  },
  Cancel: async () => assert.equal((await operation()).status, 'cancelled'),
  Retry: async () => {
    const { body } = await howTo.product().call('GET', `/v1/emails/${await howTo.run('echo $FAILED')}`);
    assert.deepEqual([body.status, body.recipients[0].state], ['succeeded', 'sent']);
    assert.notEqual(body.operationId, body.id);
  },
  'Bulk mail, and people who want none': async (output) => {
    assert.match(output, /"suppressed":1/);
    assert.deepEqual((await howTo.product().call('GET', '/v1/suppressions')).body.data, []);
  },
  'With the temporal CLI': async () => assert.equal((await operation()).phase, 'put_off'),
  Look: async (output) => {
    assert.match(output, /Running/);
    assert.match(output, /WorkflowExecutionStarted/);
    assert.match(output, /put_off/);
  },
  Signal: () => shows(({ phase, paused }) => phase === 'paused' && paused === true),
  'Signal: resume': () => shows(({ phase, paused }) => phase === 'put_off' && paused === undefined),
  Terminate: () => shows(({ status, error }) => status === 'failed' && error?.code === 'terminated'),
  Reset: () => shows(({ status }) => status === 'waiting'),
  'Cancel with the CLI': () => shows(({ status }) => status === 'cancelled'),
};

interface Shown {
  readonly status: string;
  readonly phase: string;
  readonly paused?: boolean;
  readonly error?: { readonly code: string };
}

async function operation(): Promise<Shown> {
  return (await howTo.product().call('GET', `/v1/operations/${await howTo.run('echo $ID')}`)).body;
}

async function shows(holds: (operation: Shown) => boolean): Promise<void> {
  await eventually(
    async () => {
      const shown = await operation();
      assert.ok(holds(shown), JSON.stringify(shown));
      return true;
    },
    { timeoutMs: 20_000, intervalMs: 100 },
  );
}

describeHowTo(howTo, 'docs/email.md', CHECKS);
