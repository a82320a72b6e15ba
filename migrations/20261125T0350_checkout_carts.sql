-- What is sold, and what buyers have put aside.

create table product (
  tenant_id text not null references tenant (id),
  sku text not null,
  name text not null,
  -- Of one piece, with tax: {"EUR": 1999, …} in minor units.
  prices jsonb not null,
  -- Hundredths of a percent.
  tax_basis_points integer not null check (tax_basis_points between 0 and 10000),
  -- Not sold yet; held pieces are among them.
  stock integer not null check (stock >= 0),
  is_active boolean not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, sku)
);
select enable_tenant_rows('product', 'select, insert, update', '');

-- What sending costs, with tax, in each currency that the shop sells in. Without a row it costs nothing.
create table shipping_rate (
  tenant_id text not null references tenant (id),
  currency text not null,
  amount integer not null check (amount >= 0),
  -- Goods of this much are sent for nothing.
  free_from_amount integer check (free_from_amount >= 0),
  tax_basis_points integer not null check (tax_basis_points between 0 and 10000),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, currency)
);
select enable_tenant_rows('shipping_rate', 'select, insert, update', '');

create table cart (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  status text not null check (status in ('open', 'ordered', 'expired')),
  version integer not null default 1,
  -- The order that it is or will be made into.
  attempt integer not null default 1,
  currency text not null,
  order_id uuid,
  owner_subject text,
  email text,
  name text,
  locale text,
  time_zone text,
  reminders_agreed_at timestamptz,
  reminders_wording text,
  -- When the buyer last did something with it.
  touched_at timestamptz not null,
  -- The workflow that keeps the cart's time: the how manieth, whether it still runs, and until when it sleeps.
  keeper integer not null default 0,
  is_kept boolean not null default false,
  wakes_at timestamptz,
  recovered_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index cart_list on cart (tenant_id, created_at desc, id desc);
create index cart_email on cart (tenant_id, lower(email)) where email is not null;
create index cart_overdue on cart (wakes_at) where is_kept;
select enable_tenant_rows('cart', 'select, insert, update', 'select, update');

create table cart_line (
  tenant_id text not null references tenant (id),
  cart_id uuid not null references cart (id),
  sku text not null,
  quantity integer not null check (quantity between 1 and 99),
  created_at timestamptz not null,
  primary key (cart_id, sku)
);
select enable_tenant_rows('cart_line', 'select, insert, update, delete', '');

-- Mails that a cart has led to, each once: reminders by their place in the ladder, and word on the payment of an order.
create table cart_mail (
  tenant_id text not null references tenant (id),
  cart_id uuid not null references cart (id),
  step text not null,
  order_id uuid,
  -- Absent: it was passed over, since a later one was due as well.
  operation_id uuid references operation (id),
  claimed_at timestamptz not null,
  primary key (cart_id, step)
);
create index cart_mail_operation on cart_mail (operation_id) where operation_id is not null;
select enable_tenant_rows('cart_mail', 'select, insert', '');

-- Pieces put aside for a cart. A row that has expired counts for nothing, whether or not anybody removes it.
create table stock_hold (
  tenant_id text not null references tenant (id),
  cart_id uuid not null references cart (id),
  sku text not null,
  quantity integer not null check (quantity > 0),
  expires_at timestamptz not null,
  primary key (cart_id, sku)
);
create index stock_hold_sku on stock_hold (tenant_id, sku);
select enable_tenant_rows('stock_hold', 'select, insert, update, delete', '');

-- What an order took out of the stock, and what came back. Once for each order and direction.
create table stock_movement (
  tenant_id text not null references tenant (id),
  order_id uuid not null,
  sku text not null,
  direction text not null check (direction in ('sold', 'returned')),
  quantity integer not null check (quantity > 0),
  at timestamptz not null,
  primary key (tenant_id, order_id, sku, direction)
);
select enable_tenant_rows('stock_movement', 'select, insert', '');

-- Puts all lines aside, or none: what there is not enough of is the answer. Products are locked in the order of their names, so that two
-- carts never wait for each other; what is counted is read after the locks are held. What is no product here is somebody else's to count.
create function hold_stock(p jsonb) returns text[] language plpgsql as $$
declare v_now timestamptz := (p->>'now')::timestamptz; v_short text[];
begin
  perform from product where tenant_id = p->>'tenantId' and sku in (select l->>'sku' from jsonb_array_elements(p->'lines') l)
  order by sku for update;
  select array_agg(l.sku order by l.sku) into v_short
  from (select l->>'sku' as sku, (l->>'quantity')::integer as quantity from jsonb_array_elements(p->'lines') l) l
  join product on product.tenant_id = p->>'tenantId' and product.sku = l.sku
  where product.stock - l.quantity < (
    select coalesce(sum(h.quantity), 0) from stock_hold h
    where h.tenant_id = p->>'tenantId' and h.sku = l.sku and h.cart_id <> (p->>'cartId')::uuid and h.expires_at > v_now);
  if v_short is not null then return v_short; end if;
  delete from stock_hold where cart_id = (p->>'cartId')::uuid;
  insert into stock_hold (tenant_id, cart_id, sku, quantity, expires_at)
  select p->>'tenantId', (p->>'cartId')::uuid, l->>'sku', (l->>'quantity')::integer, (p->>'until')::timestamptz
  from jsonb_array_elements(p->'lines') l;
  return '{}';
end $$;

-- Takes what an order has sold out of the stock, once. What others hold is theirs, unless this cart still holds its own.
create function sell_stock(p jsonb) returns text[] language plpgsql as $$
declare v_now timestamptz := (p->>'now')::timestamptz; v_short text[];
begin
  if exists (select from stock_movement where tenant_id = p->>'tenantId' and order_id = (p->>'orderId')::uuid and direction = 'sold') then
    return '{}';
  end if;
  perform from product where tenant_id = p->>'tenantId' and sku in (select l->>'sku' from jsonb_array_elements(p->'lines') l)
  order by sku for update;
  select array_agg(l.sku order by l.sku) into v_short
  from (select l->>'sku' as sku, (l->>'quantity')::integer as quantity from jsonb_array_elements(p->'lines') l) l
  join product on product.tenant_id = p->>'tenantId' and product.sku = l.sku
  where product.stock - l.quantity < (
    select coalesce(sum(h.quantity), 0) from stock_hold h
    where h.tenant_id = p->>'tenantId' and h.sku = l.sku and h.cart_id <> (p->>'cartId')::uuid and h.expires_at > v_now);
  if v_short is not null then return v_short; end if;
  insert into stock_movement (tenant_id, order_id, sku, direction, quantity, at)
  select p->>'tenantId', (p->>'orderId')::uuid, l->>'sku', 'sold', (l->>'quantity')::integer, v_now from jsonb_array_elements(p->'lines') l;
  update product set stock = stock - (l->>'quantity')::integer from jsonb_array_elements(p->'lines') l
  where tenant_id = p->>'tenantId' and sku = l->>'sku';
  delete from stock_hold where cart_id = (p->>'cartId')::uuid;
  return '{}';
end $$;

create function return_stock(p jsonb) returns void language plpgsql as $$
begin
  with returned as (
    insert into stock_movement (tenant_id, order_id, sku, direction, quantity, at)
    select tenant_id, order_id, sku, 'returned', quantity, (p->>'now')::timestamptz from stock_movement
    where tenant_id = p->>'tenantId' and order_id = (p->>'orderId')::uuid and direction = 'sold'
    on conflict do nothing
    returning tenant_id, sku, quantity
  )
  update product set stock = stock + returned.quantity from returned
  where product.tenant_id = returned.tenant_id and product.sku = returned.sku;
end $$;
