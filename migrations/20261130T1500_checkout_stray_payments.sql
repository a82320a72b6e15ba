-- Payments at the provider that bear the name of an order that is not there, after a restored backup perhaps. A person gives the money back.

create table stray_payment (
  -- The provider's id.
  id text primary key,
  tenant_id text not null references tenant (id),
  -- As the payment says; there is no such order.
  order_id text not null,
  status text not null,
  currency text not null,
  -- Reserved and not taken, taken, and given back.
  capturable_amount bigint not null,
  received_amount bigint not null,
  refunded_amount bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- When it was seen to hold nothing of the buyer's any more.
  settled_at timestamptz
);
create index stray_payment_list on stray_payment (tenant_id, created_at desc, id desc) where settled_at is null;
select enable_tenant_rows('stray_payment', 'select, insert, update', '');
