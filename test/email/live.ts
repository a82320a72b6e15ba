import { createMailer } from '../../src/adapters/mailer.ts';
import type { ApiContext } from '../../src/api/lib/context.ts';
import { type Api, startApi } from '../api/fixture.ts';
import { type Core, startCore } from '../support/core.ts';
import { useGround } from '../support/ground.ts';
import { type SmtpScriptServer, startSmtpScript } from '../support/smtp-script.ts';

/** HTTP, core and a mail server that takes everything, with one tenant. */
export interface LiveMail extends AsyncDisposable {
  readonly server: SmtpScriptServer;
  readonly core: Core;
  readonly api: Api;
  readonly tenantId: string;
  readonly key: string;
}

export async function startLiveMail(overrides: Partial<ApiContext> = {}): Promise<LiveMail> {
  const server = await startSmtpScript();
  const ground = await useGround();
  const core = await startCore(ground, { mailer: createMailer({ smtpUrl: server.url }) });
  const api = await startApi({ store: core.deps.store, ...overrides }, ground);
  const { id: tenantId, key } = await api.newTenant();
  return {
    server,
    core,
    api,
    tenantId,
    key,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await core[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
