import type { DispatchBridge } from '../contracts/bridge.ts';
import { createApiKeysStore } from './api-keys.ts';
import { createAuditStore } from './audit.ts';
import { createCartsStore } from './checkout/carts.ts';
import { createCheckoutStore } from './checkout/index.ts';
import { createProductsStore } from './checkout/products.ts';
import type { Databases } from './database.ts';
import { createEffectsStore } from './effects.ts';
import { createEmailStore } from './email.ts';
import { createEventsStore } from './events.ts';
import { createFilesStore } from './files/index.ts';
import { createLifecycleStore } from './lifecycle.ts';
import { createOperationsStore } from './operations.ts';
import { createStreamsStore } from './streams.ts';
import { createSystemApiKeysStore } from './system/api-keys.ts';
import { createSystemCheckoutStore } from './system/checkout.ts';
import { createDispatchStore } from './system/dispatch.ts';
import { createEmailRoutesStore } from './system/email-routes.ts';
import { createEventPositionsStore } from './system/event-positions.ts';
import { createSystemFilesStore } from './system/files.ts';
import { createSystemOperationsStore } from './system/operations.ts';
import { createRatesStore } from './system/rates.ts';
import { createTenantsStore } from './tenants.ts';
import { createTimelineStore } from './timeline.ts';
import { createUsersStore } from './users.ts';
import { createVerbsStore } from './verbs.ts';

/** All SQL of the product, by topic. `system` is for what has no tenant: key look-up, due rows, sweeps, positions. */
export function createStore(databases: Databases, bridge: DispatchBridge) {
  const db = databases.app;
  const audit = createAuditStore(db);
  const accepting = createOperationsStore({ db, audit, bridge });
  return {
    operations: { ...accepting, ...createVerbsStore({ db, bridge, operations: accepting }) },
    lifecycle: createLifecycleStore(db),
    effects: createEffectsStore(db),
    email: createEmailStore({ db, audit }),
    products: createProductsStore({ db, audit }),
    carts: createCartsStore({ db, audit, wake: bridge.wake }),
    checkout: createCheckoutStore({ db, audit, bridge, operations: accepting }),
    files: createFilesStore({ db, audit, bridge, operations: accepting }),
    streams: createStreamsStore(databases),
    events: createEventsStore(db),
    timeline: createTimelineStore(db),
    audit,
    apiKeys: createApiKeysStore({ db, audit }),
    tenants: createTenantsStore({ databases, audit }),
    users: createUsersStore({ db, audit }),
    system: {
      apiKeys: createSystemApiKeysStore(databases.system),
      checkout: createSystemCheckoutStore(databases.system),
      dispatch: createDispatchStore(databases.system),
      emailRoutes: createEmailRoutesStore(databases.system),
      eventPositions: createEventPositionsStore(databases.system),
      files: createSystemFilesStore(databases.system),
      operations: createSystemOperationsStore(databases.system),
      rates: createRatesStore(databases.system),
    },
  };
}

export type Store = ReturnType<typeof createStore>;
