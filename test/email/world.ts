import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { createMailer, type Mailer } from '../../src/adapters/mailer.ts';
import type { Email } from '../../src/contracts/email.ts';
import type { Operation } from '../../src/contracts/operation.ts';
import { type Answer, type Api, startApi } from '../api/fixture.ts';
import { type Core, startCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { useGround } from '../support/ground.ts';
import { type SmtpFault, type SmtpScriptServer, startSmtpScript } from '../support/smtp-script.ts';

/** As short as a test server needs; a real mailbox gets 2 s. */
const SETTLE_MS = 20;

type Call = (method: string, path: string, body?: unknown) => Promise<Answer>;

export interface MailWorld {
  core(): Core;
  server(): SmtpScriptServer;
  tenantId(): string;
  /** What goes wrong in the next transactions, in their order; `undefined` is one that works. Afterwards all work. */
  plan(faults: readonly (SmtpFault | undefined)[]): void;
  /** What goes wrong in every transaction from now on. */
  always(fault: SmtpFault | undefined): void;
  /** Whether the mailbox can be asked what arrived. */
  canAsk(isAsked: boolean): void;
  /** How many questions the mailbox leaves without an answer. */
  silence(questions: number): void;
  /** Posts a mail; the answer is 202. */
  send(mail: object, headers?: Readonly<Record<string, string>>): Promise<Operation>;
  /** A call as the tenant of this file. */
  readonly call: Call;
  /** A call without a key, as a browser or a mail program makes it; with a form as its body. */
  visit(method: string, path: string, form?: string): Promise<Answer>;
  /** Waits until the operation has one of these statuses. */
  reaches(id: string, ...statuses: readonly string[]): Promise<Operation>;
  /** Waits until the operation shows this phase. */
  shows(id: string, phase: string): Promise<Operation>;
  /** The mail's recipients as `address: state`. */
  recipients(rootId: string): Promise<string[]>;
  /** Runs SQL as the tenant of this file: for what no route shows. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Calls of somebody else. */
  newTenant(): Promise<Call>;
  /** Who got a mail, in order of arrival. */
  arrived(rootId: string): string[];
}

/** The product without its process: HTTP, core and workers in this one, and a mail server that fails on order. */
export function useMailWorld(): MailWorld {
  let core: Core;
  let api: Api;
  let tenantId: string;
  let key: string;
  let server: SmtpScriptServer;
  let planned: (SmtpFault | undefined)[] = [];
  let standing: SmtpFault | undefined;
  const mailer = createLateMailer();

  before(async () => {
    server = await startSmtpScript({ fault: () => (planned.length > 0 ? planned.shift() : standing) });
    mailer.use(server);
    const ground = await useGround();
    core = await startCore(ground, { mailer: mailer.mailer });
    api = await startApi({ store: core.deps.store }, ground);
    ({ id: tenantId, key } = await api.newTenant());
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    await core[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const call: Call = (method, path, body) => api.call(method, path, { key, body });

  async function until(id: string, holds: (operation: Operation) => boolean): Promise<Operation> {
    return eventually(
      async () => {
        const { body } = await call('GET', `/v1/operations/${id}`);
        assert.ok(holds(body), `${body.status} ${body.phase} ${JSON.stringify(body.error)}`);
        return body as Operation; // what the route answers
      },
      { timeoutMs: 20_000 },
    );
  }

  return {
    core: () => core,
    server: () => server,
    tenantId: () => tenantId,
    plan: (faults) => {
      planned = [...faults];
    },
    always: (fault) => {
      standing = fault;
    },
    canAsk: mailer.canAsk,
    silence: mailer.silence,
    async send(mail, headers = {}) {
      const answer = await api.call('POST', '/v1/emails', { key, headers, body: { subject: 'Hello', text: 'It works.', ...mail } });
      assert.equal(answer.status, 202, answer.text);
      return answer.body as Operation; // what the route answers
    },
    call,
    visit: (method, path, form) =>
      api.call(method, path, { body: form, headers: form === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' } }),
    reaches: (id, ...statuses) => until(id, ({ status }) => statuses.includes(status)),
    shows: (id, phase) => until(id, (operation) => operation.phase === phase),
    async recipients(rootId) {
      const { body } = await call('GET', `/v1/emails/${rootId}`);
      return (body as Email).recipients.map(({ address, state }) => `${address}: ${state}`); // what the route answers
    },
    sql: (text, values) => api.sql(tenantId, text, values),
    async newTenant() {
      const stranger = await api.newTenant();
      return (method, path, body) => api.call(method, path, { key: stranger.key, body });
    },
    arrived: (rootId) => server.accepted.filter(({ messageId }) => messageId.includes(rootId)).map(({ recipient }) => recipient),
  };
}

/** A mailer that learns later where its server is, and whose mailbox can be asked or not. */
function createLateMailer() {
  let inner: Mailer | undefined;
  let ask: Mailer['lookup'];
  let silent = 0;
  const current = (): Mailer => {
    if (inner === undefined) throw new Error('The mail server has not been started.');
    return inner;
  };
  const mailer: { -readonly [Key in keyof Mailer]: Mailer[Key] } = {
    openSession: () => current().openSession(),
    verify: () => current().verify(),
    settleMs: SETTLE_MS,
  };
  return {
    mailer,
    use({ url, accepted }: SmtpScriptServer): void {
      inner = createMailer({ smtpUrl: url });
      ask = async (messageId, recipient) => {
        if (silent > 0) {
          silent -= 1;
          return 'unknown';
        }
        return accepted.some((mail) => mail.messageId === messageId && mail.recipient === recipient) ? 'accepted' : 'absent';
      };
      mailer.lookup = ask;
    },
    silence(questions: number): void {
      silent = questions;
    },
    canAsk(isAsked: boolean): void {
      if (isAsked && ask !== undefined) mailer.lookup = ask;
      else delete mailer.lookup;
    },
  };
}
