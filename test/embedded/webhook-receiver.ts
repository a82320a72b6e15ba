import { createServer } from 'node:http';
import { freePort } from '../support/free-port.ts';

export interface ReceivedWebhook {
  readonly body: Buffer;
  readonly signature: string;
  /** Its event's id and type, unchecked. */
  readonly id: string;
  readonly type: string;
}

/** Somebody who takes webhooks, and answers as the test says. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedWebhook[];
  status: number;
}

export async function openReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const port = await freePort();
  const receiver = {
    url: `http://127.0.0.1:${port}/hooks/stripe`,
    received,
    status: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const body = Buffer.concat(chunks);
      const { id, type } = JSON.parse(body.toString()) as { id: string; type: string }; // what the simulator sends
      received.push({ body, signature: String(request.headers['stripe-signature']), id, type });
      response.writeHead(receiver.status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return receiver;
}
