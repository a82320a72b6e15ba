// One attempt at an effect in a process of its own, for tests that stop it: `node effect-attempt.ts <settings as JSON>`.
import { once } from 'node:events';
import { claimEffects, runEffect } from '../../src/activities/lib/effect.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { openDatabases } from '../../src/store/database.ts';
import { createStore } from '../../src/store/index.ts';
import { createParty } from './effect-world.ts';

const { databaseUrl: url, worldUrl, run, stopAt, step, budgetMs } = JSON.parse(process.argv[2] ?? '{}');
const databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 2 });
const store = createStore(databases, createDispatchBridge());
const [effect] = await claimEffects(store.effects, run, [step]);
if (effect === undefined) throw new Error('nothing to claim');
const party = createParty(worldUrl, {
  key: effect.key,
  budgetMs,
  canAsk: true,
  async onPlace(place) {
    if (place !== stopAt) return;
    const goOn = once(process, 'message');
    process.send?.('here');
    await goOn;
  },
});
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
await runEffect({ effects: store.effects, run, party, signal: new AbortController().signal, sleep }, effect);
await databases[Symbol.asyncDispose]();
process.disconnect();
