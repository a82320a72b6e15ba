// The embedded mailbox: MailDev as a process of its own. Arguments: SMTP port, port of the page, folder of the mails.
import { createAPIServer } from '@maildev/api';
import { createSMTPServer } from '@maildev/smtp';
import { registerUI } from '@maildev/ui/server';
import { answerToTestAddress } from './mailbox-addresses.ts';
import { MailboxStorage } from './mailbox-storage.ts';

const HOST = '127.0.0.1';
const MESSAGE_LIMIT_BYTES = 50 * 1024 * 1024;

// First of all: a mailbox whose supervisor is gone must not keep the ports.
process.once('disconnect', () => process.exit(0));

const [smtpPort, webPort, mailDirectory] = process.argv.slice(2);
if (mailDirectory === undefined) throw new Error('Usage: mailbox-main.ts <SMTP port> <web port> <folder>');

const storage = new MailboxStorage({ mailDirectory });
await storage.initialize();
const smtp = createSMTPServer({
  storage,
  port: Number(smtpPort),
  host: HOST,
  mailDir: mailDirectory,
  maxMessageSize: MESSAGE_LIMIT_BYTES,
  logger: false,
});
// MailDev has no option for it, but passes its configuration on to smtp-server as it is.
const buildServerConfig = smtp['buildServerConfig'].bind(smtp) as () => object;
smtp['buildServerConfig'] = () => ({
  ...buildServerConfig(),
  onRcptTo: ({ address }: { readonly address: string }, _session: unknown, done: (error?: Error) => void) =>
    done(answerToTestAddress(address)),
});
// Before it listens: a look-up that came too early would not find what is there.
await storage.restore(() => smtp.loadMailsFromDirectory());
const api = createAPIServer({ storage, smtp, port: Number(webPort), host: HOST, cors: { origin: false } });
await api.registerPlugins();
await registerUI(api.server);
await smtp.start();
await api.listen();
// Senders may keep their connections open for long; nothing acknowledged depends on a tidy end.
process.once('SIGTERM', () => process.exit(0));
process.send?.({ type: 'ready' });
