-- Orders, their payments and refunds, what the payment provider says, and the ledger.

create table checkout_order (
  -- The operation that made it.
  id uuid primary key references operation (id),
  tenant_id text not null references tenant (id),
  cart_id uuid not null references cart (id),
  stream_id uuid not null references stream (id),
  state text not null check (state in ('created', 'needs_payment_method', 'needs_action', 'processing', 'authorized', 'paid',
    'partially_refunded', 'refunded', 'cancelled', 'failed', 'unknown')),
  currency text not null,
  -- The quote that was agreed to, as it was then.
  lines jsonb not null,
  shipping_amount bigint not null,
  tax_amount bigint not null,
  total_amount bigint not null check (total_amount > 0),
  capture_method text not null check (capture_method in ('automatic', 'manual')),
  owner_subject text,
  email text,
  buyer_name text,
  locale text,
  -- The payment as it was last read. A read takes a ticket first, so that an older one never overwrites a newer one.
  intent_id text,
  client_secret text,
  intent_status text,
  next_action jsonb,
  decline jsonb,
  read_ticket bigint not null default 0,
  merged_ticket bigint not null default 0,
  -- What the buyer last asked to pay with, and the how manieth time that was.
  payment_method text,
  payment_try integer not null default 0,
  -- The last of these that was given to the provider.
  confirmed_try integer not null default 0,
  -- Until when the buyer may take to pay; the hold of the pieces ends later.
  pay_until timestamptz not null,
  authorized_amount bigint not null default 0,
  captured_amount bigint not null default 0,
  refunded_amount bigint not null default 0,
  capture_before timestamptz,
  fulfilment_reference text,
  receipt_id uuid,
  stuck jsonb,
  -- When it had come to nothing and everything was put back.
  ended_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check (captured_amount <= total_amount),
  check (refunded_amount <= captured_amount)
);
create unique index checkout_order_intent on checkout_order (intent_id) where intent_id is not null;
create index checkout_order_stream on checkout_order (stream_id);
create index checkout_order_cart on checkout_order (cart_id, created_at desc);
create index checkout_order_list on checkout_order (tenant_id, created_at desc, id desc);
create index checkout_order_stuck on checkout_order (tenant_id, created_at desc, id desc) where stuck is not null;
create index checkout_order_open on checkout_order (created_at) where state in ('created', 'needs_payment_method', 'needs_action', 'processing', 'authorized', 'unknown');
select enable_tenant_rows('checkout_order', 'select, insert, update', 'select');

create table payment_refund (
  -- The first operation that asked for it.
  id uuid primary key,
  tenant_id text not null references tenant (id),
  order_id uuid not null references checkout_order (id),
  provider_id text,
  amount bigint not null check (amount > 0),
  state text not null check (state in ('pending', 'succeeded', 'failed', 'cancelled', 'unknown')),
  -- `undo`: the order could not be carried out, so the buyer gets everything back.
  cause text not null check (cause in ('asked', 'undo')),
  reason text,
  failure_reason text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create unique index payment_refund_provider on payment_refund (provider_id) where provider_id is not null;
create index payment_refund_order on payment_refund (order_id, created_at);
select enable_tenant_rows('payment_refund', 'select, insert, update', 'select');

-- What the provider told us, once each. A hint to read the object again: nothing of the content is kept.
create table stripe_inbox (
  event_id text primary key,
  type text not null,
  object_kind text not null,
  object_id text not null,
  intent_id text,
  received_at timestamptz not null,
  due_at timestamptz not null,
  attempts integer not null default 0,
  processed_at timestamptz,
  outcome text
);
create index stripe_inbox_due on stripe_inbox (due_at) where processed_at is null;
grant select, insert, update, delete on stripe_inbox to nightshift_system;

-- Work that one process at a time does every so often: whoever moves the instant has the turn.
create table job_turn (name text primary key, taken_at timestamptz not null);
grant select, insert, update on job_turn to nightshift_system;

-- Double entry: of each transaction and currency the entries add up to nothing, which the database checks at every commit.
create table ledger_transaction (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  order_id uuid not null references checkout_order (id),
  source_kind text not null,
  source_id text not null,
  at timestamptz not null
);
create unique index ledger_transaction_source on ledger_transaction (tenant_id, source_kind, source_id);
create index ledger_transaction_order on ledger_transaction (order_id);
select enable_tenant_rows('ledger_transaction', 'select, insert', '');

create table ledger_entry (
  transaction_id uuid not null references ledger_transaction (id),
  leg smallint not null,
  tenant_id text not null references tenant (id),
  account text not null,
  currency text not null,
  -- Debits are positive, credits negative.
  amount bigint not null check (amount <> 0),
  primary key (transaction_id, leg)
);
create index ledger_entry_account on ledger_entry (tenant_id, currency, account);
select enable_tenant_rows('ledger_entry', 'select, insert', '');

create function check_ledger_balance() returns trigger language plpgsql as $$
begin
  if exists (select from ledger_entry where transaction_id = new.transaction_id group by currency having sum(amount) <> 0) then
    raise exception 'ledger transaction % does not add up to nothing', new.transaction_id using errcode = 'NS010';
  end if;
  return null;
end $$;
create constraint trigger ledger_balances after insert on ledger_entry deferrable initially deferred
  for each row execute function check_ledger_balance();

create function refuse_ledger_change() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is only added to' using errcode = 'NS011';
end $$;
create trigger ledger_transaction_fixed before update or delete on ledger_transaction for each statement execute function refuse_ledger_change();
create trigger ledger_entry_fixed before update or delete on ledger_entry for each statement execute function refuse_ledger_change();
