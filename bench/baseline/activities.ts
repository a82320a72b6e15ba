import { connect } from 'node:net';
import { createTransport } from 'nodemailer';
import type SMTPPool from 'nodemailer/lib/smtp-pool';

/** The content goes through the workflow's history: a plain application keeps it nowhere else. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export function createBaselineActivities(smtpPort: number) {
  const transport = createMailTransport(smtpPort);
  return {
    async sendMail(mail: Mail): Promise<void> {
      await transport.sendMail({ from: 'Baseline <no-reply@localhost>', ...mail });
    },
  };
}

export type BaselineActivities = ReturnType<typeof createBaselineActivities>;

/** Nodemailer with warm connections and without Nagle's delay, which costs 40 ms a mail. */
export function createMailTransport(port: number) {
  return createTransport({
    pool: true,
    maxConnections: 8,
    maxMessages: Infinity,
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    getSocket(_options: object, callback: Parameters<SMTPPool['getSocket']>[1]) {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => callback(null, { connection: socket }));
      socket.once('error', (error) => callback(error, false));
    },
  });
}
