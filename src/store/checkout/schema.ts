import type { ColumnType } from 'kysely';
import type { OrderLine, OrderState, OrderStuck, RefundState } from '../../contracts/checkout/orders.ts';

type Json<T> = ColumnType<T, string, string>;
type NullableJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
type Defaulted<T> = ColumnType<T, T | undefined, T>;

/** The tables of checkout. */
export interface CheckoutTables {
  product: ProductTable;
  shipping_rate: ShippingRateTable;
  cart: CartTable;
  cart_line: CartLineTable;
  cart_mail: CartMailTable;
  stock_hold: StockHoldTable;
  stock_movement: StockMovementTable;
  checkout_order: CheckoutOrderTable;
  payment_refund: PaymentRefundTable;
  stray_payment: StrayPaymentTable;
  stripe_inbox: StripeInboxTable;
  job_turn: JobTurnTable;
  ledger_transaction: LedgerTransactionTable;
  ledger_entry: LedgerEntryTable;
}

interface ProductTable {
  tenant_id: string;
  sku: string;
  name: string;
  prices: Json<Readonly<Record<string, number>>>;
  tax_basis_points: number;
  stock: number;
  is_active: boolean;
  created_at: Date;
  updated_at: Date;
}

interface ShippingRateTable {
  tenant_id: string;
  currency: string;
  amount: number;
  free_from_amount: number | null;
  tax_basis_points: number;
  created_at: Date;
  updated_at: Date;
}

interface CartTable {
  id: string;
  tenant_id: string;
  status: 'open' | 'ordered' | 'expired';
  version: Defaulted<number>;
  attempt: Defaulted<number>;
  currency: string;
  order_id: string | null;
  owner_subject: string | null;
  email: string | null;
  name: string | null;
  locale: string | null;
  time_zone: string | null;
  reminders_agreed_at: Date | null;
  reminders_wording: string | null;
  touched_at: Date;
  /** The how manieth workflow keeps its time. */
  keeper: Defaulted<number>;
  is_kept: Defaulted<boolean>;
  wakes_at: Date | null;
  recovered_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

interface CartLineTable {
  tenant_id: string;
  cart_id: string;
  sku: string;
  quantity: number;
  created_at: Date;
}

interface CartMailTable {
  tenant_id: string;
  cart_id: string;
  step: string;
  order_id: string | null;
  operation_id: string | null;
  claimed_at: Date;
}

interface StockHoldTable {
  tenant_id: string;
  cart_id: string;
  sku: string;
  quantity: number;
  expires_at: Date;
}

interface StockMovementTable {
  tenant_id: string;
  order_id: string;
  sku: string;
  direction: 'sold' | 'returned';
  quantity: number;
  at: Date;
}

interface CheckoutOrderTable {
  id: string;
  tenant_id: string;
  cart_id: string;
  stream_id: string;
  state: OrderState;
  currency: string;
  lines: Json<readonly OrderLine[]>;
  shipping_amount: number;
  tax_amount: number;
  total_amount: number;
  capture_method: 'automatic' | 'manual';
  owner_subject: string | null;
  email: string | null;
  buyer_name: string | null;
  locale: string | null;
  intent_id: string | null;
  client_secret: string | null;
  intent_status: string | null;
  next_action: NullableJson<{ readonly type: string; readonly url?: string }>;
  decline: NullableJson<{ readonly code: string; readonly declineCode?: string; readonly text: string }>;
  read_ticket: Defaulted<number>;
  merged_ticket: Defaulted<number>;
  payment_method: string | null;
  payment_try: Defaulted<number>;
  confirmed_try: Defaulted<number>;
  pay_until: Date;
  authorized_amount: Defaulted<number>;
  captured_amount: Defaulted<number>;
  refunded_amount: Defaulted<number>;
  capture_before: Date | null;
  fulfilment_reference: string | null;
  receipt_id: string | null;
  stuck: NullableJson<OrderStuck>;
  ended_at: Date | null;
  created_at: Date;
  updated_at: Date;
  /** Since when the buyer has something to approve, the bank takes its time, or the last try counts as refused. Written by the database. */
  action_since: Defaulted<Date | null>;
  delayed_since: Defaulted<Date | null>;
  declined_at: Defaulted<Date | null>;
}

interface PaymentRefundTable {
  id: string;
  tenant_id: string;
  order_id: string;
  provider_id: string | null;
  amount: number;
  state: RefundState;
  cause: 'asked' | 'undo' | 'outside';
  reason: string | null;
  failure_reason: string | null;
  created_at: Date;
  updated_at: Date;
}

interface StrayPaymentTable {
  id: string;
  tenant_id: string;
  order_id: string;
  status: string;
  currency: string;
  capturable_amount: number;
  received_amount: number;
  refunded_amount: number;
  created_at: Date;
  updated_at: Date;
  settled_at: Date | null;
}

interface StripeInboxTable {
  event_id: string;
  type: string;
  object_kind: string;
  object_id: string;
  intent_id: string | null;
  received_at: Date;
  due_at: Date;
  attempts: Defaulted<number>;
  processed_at: Date | null;
  outcome: string | null;
}

interface JobTurnTable {
  name: string;
  taken_at: Date;
}

interface LedgerTransactionTable {
  id: string;
  tenant_id: string;
  order_id: string;
  source_kind: string;
  source_id: string;
  at: Date;
}

interface LedgerEntryTable {
  transaction_id: string;
  leg: number;
  tenant_id: string;
  account: string;
  currency: string;
  amount: number;
}
