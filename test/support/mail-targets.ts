import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MailDev } from 'maildev';
import { SMTPServer } from 'smtp-server';
import { z } from 'zod';

import type { MailerSettings } from '../../src/adapters/mailer.ts';
import type { AcceptedMail } from './smtp-script.ts';

/** A running receiving side of a mailer under test. */
export interface MailTarget extends AsyncDisposable {
  readonly settings: MailerSettings;
  /** Everything it has taken so far. */
  accepted(): Promise<AcceptedMail[]>;
}

const apiMails = z.array(
  z.object({
    id: z.string(),
    headers: z.object({ 'message-id': z.string() }),
    envelope: z.object({ to: z.array(z.object({ address: z.string() })) }),
  }),
);

/** A maildev of its own, with a folder that goes when it goes. */
export async function startMailDev(): Promise<MailTarget> {
  const mailDirectory = await mkdtemp(join(tmpdir(), 'maildev-'));
  const target = await runMailDev(mailDirectory);
  return {
    ...target,
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await rm(mailDirectory, { recursive: true });
    },
  };
}

/** A maildev on free ports of 127.0.0.1, over a folder that may hold mails already. */
export async function runMailDev(mailDirectory: string): Promise<MailTarget> {
  const mailDev = new MailDev({ smtp: 0, web: 0, ip: '127.0.0.1', webIp: '127.0.0.1', mailDirectory, silent: true });
  const { smtp, api } = await mailDev.start();
  const lookupUrl = `http://127.0.0.1:${api?.getAddress()?.port}`;
  return {
    settings: { smtpUrl: `smtp://127.0.0.1:${smtp.getPort()}`, lookupUrl, idleTimeoutMs: 100 },
    async accepted() {
      const mails = apiMails.parse(await (await fetch(`${lookupUrl}/api/email`)).json());
      return Promise.all(
        mails.map(async ({ id, headers, envelope }) => ({
          messageId: headers['message-id'],
          recipient: envelope.to.map((to) => to.address).join(),
          source: await (await fetch(`${lookupUrl}/api/email/${id}/source`)).text(),
        })),
      );
    },
    [Symbol.asyncDispose]: () => mailDev.stop(),
  };
}

/** The real `smtp-server`, with the certificate for localhost that it brings along. */
export async function startTlsServer(secure: boolean): Promise<MailTarget> {
  const accepted: AcceptedMail[] = [];
  const server = new SMTPServer({
    secure,
    onAuth: ({ username, password }, _session, done) =>
      username === 'me@shop' && password === 'pass:word' ? done(null, { user: username }) : done(new Error('who are you?')),
    onData: (stream, _session, done) => {
      stream.resume();
      stream.on('end', () => {
        accepted.push({ messageId: '', recipient: '', source: '' });
        done();
      });
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const scheme = secure ? 'smtps' : 'smtp';
  return {
    settings: { smtpUrl: `${scheme}://me%40shop:pass%3Aword@127.0.0.1:${port}?tls.rejectUnauthorized=false` },
    accepted: async () => accepted,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
