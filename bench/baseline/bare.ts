// Nodemailer and nothing else, in a process of its own. Arguments: port of the mail server, mails, how many at once. Prints what it took.
import { inParallel } from '../lib/client.ts';
import { mailOf } from '../lib/mails.ts';
import { createMailTransport } from './activities.ts';

const [port, mails, atOnce] = process.argv.slice(2).map(Number);
if (port === undefined || mails === undefined || atOnce === undefined) throw new Error('Usage: bare.ts <SMTP port> <mails> <at once>');
const transport = createMailTransport(port);
const send = async (index: number): Promise<void> => {
  await transport.sendMail({ from: 'Bare <no-reply@localhost>', ...mailOf(index) });
};
await inParallel(50, atOnce, send);
const before = process.cpuUsage();
const startedAt = performance.now();
await inParallel(mails, atOnce, send);
const tookMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(before);
transport.close();
console.log(JSON.stringify({ tookMs, cpuMs: (user + system) / 1000 }));
