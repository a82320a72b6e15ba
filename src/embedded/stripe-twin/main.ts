// stripe-twin, a simulator of Stripe, as a process of its own. Arguments: port, folder, and the address that gets the webhooks.
import { startTwin } from './twin.ts';
import { readKeys } from './keys.ts';

// First of all: a simulator whose supervisor is gone must not keep the port.
process.once('disconnect', () => process.exit(0));

const [port, folder, webhookUrl] = process.argv.slice(2);
if (port === undefined || folder === undefined) throw new Error('Usage: main.ts <port> <folder> [<webhook URL>]');

const { secret, publishable, webhookSecret } = readKeys(folder);
await startTwin({
  folder,
  port: Number(port),
  keys: { secret, publishable },
  ...(webhookUrl === undefined ? {} : { webhook: { url: webhookUrl, secret: webhookSecret } }),
});
// What was acknowledged is on disk already.
process.once('SIGTERM', () => process.exit(0));
process.send?.({ type: 'ready' });
