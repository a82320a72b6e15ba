import type { Kysely } from 'kysely';
import type { DispatchBridge } from '../../contracts/bridge.ts';
import type { AuditStore } from '../audit.ts';
import type { Database } from '../schema.ts';
import type { OperationsStore } from '../operations.ts';
import { createCartTimesStore } from './cart-times.ts';
import { createLedgerStore } from './ledger.ts';
import { createOrderAcceptance } from './order-acceptance.ts';
import { createOrdersStore } from './orders.ts';
import { createPaymentsStore } from './payments.ts';
import { createRefundsStore } from './refunds.ts';
import { createShippingStore } from './shipping.ts';
import { createStrayPaymentsStore } from './stray-payments.ts';

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
  readonly bridge: DispatchBridge;
  readonly operations: OperationsStore;
}

/** All SQL of checkout. */
export function createCheckoutStore({ db, audit, bridge, operations }: Parts) {
  return {
    ...createOrderAcceptance(operations),
    orders: createOrdersStore(db),
    payments: createPaymentsStore({ db, bridge }),
    refunds: createRefundsStore(db),
    strays: createStrayPaymentsStore({ db, audit }),
    shipping: createShippingStore({ db, audit }),
    ledger: createLedgerStore(db),
    cartTimes: createCartTimesStore({ db, operations }),
  };
}
