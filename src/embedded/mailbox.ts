import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../config.ts';
import type { ChildSpec } from './child.ts';

const MODULE = fileURLToPath(new URL('./mailbox-main.ts', import.meta.url));

/** The embedded mailbox: a process that takes every mail, keeps it on disk, shows it on a page and can be asked for it. */
export interface EmbeddedMailbox {
  readonly spec: ChildSpec;
  readonly smtpUrl: string;
  /** MailDev's API is below it: `/api/email?headers.message-id=<…>` lists mails, `envelope.to` tells who got each. */
  readonly lookupUrl: string;
  readonly pageUrl: string;
}

/** Says how to run the mailbox and how to reach it. */
export function createMailbox(server: {
  readonly dataDir: string;
  readonly smtpPort: number;
  readonly webPort: number;
  readonly environment: Environment;
}): EmbeddedMailbox {
  const folder = join(server.dataDir, 'mails');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pageUrl = `http://127.0.0.1:${server.webPort}`;
  return {
    smtpUrl: `smtp://127.0.0.1:${server.smtpPort}`,
    lookupUrl: pageUrl,
    pageUrl,
    spec: {
      name: 'mailbox',
      ports: [server.smtpPort, server.webPort],
      stage: 0,
      stopSignal: 'SIGTERM',
      stopTimeoutMs: 5000,
      forceSignal: 'SIGKILL',
      prepare: async () => ({
        type: 'node',
        module: MODULE,
        args: [String(server.smtpPort), String(server.webPort), folder],
        environment: server.environment,
      }),
    },
  };
}
