import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../config.ts';
import type { ChildSpec } from './child.ts';
import { readKeys } from './stripe-twin/keys.ts';

const MODULE = fileURLToPath(new URL('./stripe-twin/main.ts', import.meta.url));

/** The embedded simulator of Stripe: a process that speaks as Stripe does, keeps a journal on disk and moves no money. */
export interface EmbeddedStripeTwin {
  readonly spec: ChildSpec;
  readonly url: string;
  /** What a user would set for an account at Stripe. */
  readonly settings: Environment;
}

/** Says how to run the simulator and how to reach it. */
export function createStripeTwin(server: {
  readonly dataDir: string;
  readonly port: number;
  /** Of the product, which gets the webhooks. */
  readonly apiUrl: string;
  readonly environment: Environment;
}): EmbeddedStripeTwin {
  const folder = join(server.dataDir, 'stripe-twin');
  const keys = readKeys(folder);
  const url = `http://127.0.0.1:${server.port}`;
  return {
    url,
    settings: {
      STRIPE_API_KEY: keys.secret,
      STRIPE_PUBLISHABLE_KEY: keys.publishable,
      STRIPE_WEBHOOK_SECRETS: keys.webhookSecret,
      STRIPE_URL: url,
    },
    spec: {
      name: 'stripe-twin',
      ports: [server.port],
      stage: 0,
      stopSignal: 'SIGTERM',
      stopTimeoutMs: 5000,
      forceSignal: 'SIGKILL',
      prepare: async () => ({
        type: 'node',
        module: MODULE,
        args: [String(server.port), folder, `${server.apiUrl}/hooks/stripe`],
        environment: server.environment,
      }),
    },
  };
}
