-- Who gets no mail, and the secrets behind the links by which people say so.

-- One row per address and scope: somebody who unsubscribed and whose mailbox is gone has two, and the one may end without the other.
create table suppression (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  -- In small letters, as addresses are compared.
  address text not null,
  scope text not null check (scope in ('all', 'bulk')),
  reason text not null check (reason in ('unsubscribed', 'bounced', 'complained', 'manual')),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  expires_at timestamptz
);
create unique index suppression_address on suppression (tenant_id, address, scope);
create index suppression_list on suppression (tenant_id, created_at desc, id desc);
select enable_tenant_rows('suppression', 'select, insert, update, delete', '');

-- What unsubscribe links are sealed with. Without the row all links of the tenant are void.
create table email_secret (
  tenant_id text primary key references tenant (id),
  secret bytea not null,
  created_at timestamptz not null
);
select enable_tenant_rows('email_secret', 'select, insert', '');

-- Whom an effect reaches: {"address": …, "bulk": …}.
create function is_suppressed(p_tenant text, p_reaches jsonb, p_now timestamptz) returns boolean stable language sql as $$
  select exists (
    select from suppression
    where tenant_id = p_tenant and address = p_reaches->>'address' and (scope = 'all' or (p_reaches->>'bulk')::boolean)
      and (expires_at is null or expires_at > p_now))
$$;

-- Orders suppressing an address and beginning to send to it: whoever is second sees what the first has committed.
create function lock_address(p_tenant text, p_address text, p_shared boolean) returns void language plpgsql as $$
declare v_key bigint := hashtextextended('address/' || p_tenant || '/' || p_address, 0);
begin
  if p_shared then perform pg_advisory_xact_lock_shared(v_key);
  else perform pg_advisory_xact_lock(v_key);
  end if;
end $$;

-- As before, and: what would reach somebody who is suppressed is refused instead of claimed.
create or replace function claim_effects(p jsonb) returns setof effect language plpgsql as $$
declare
  o operation;
  e jsonb;
  found_row effect;
  v_now timestamptz := (p->>'now')::timestamptz;
begin
  perform set_config('app.tenant', p->>'tenantId', true), set_config('synchronous_commit', 'off', true);
  select * into o from operation where id = (p->>'operationId')::uuid for share;
  if not found or not is_open(o.status) then raise exception 'operation_not_open' using errcode = 'NS001'; end if;
  for e in select * from jsonb_array_elements(p->'effects') loop
    select * into found_row from effect where tenant_id = o.tenant_id and root_id = o.root_id and step = e->>'step'
    order by generation desc limit 1 for update;
    if not found or (found_row.state = 'refused' and found_row.operation_id <> o.id) then
      insert into effect (tenant_id, key, root_id, operation_id, step, generation, state, fence, request_digest, created_at, updated_at)
      values (o.tenant_id, o.root_id || '/' || (e->>'step') || '#' || coalesce(found_row.generation, 0) + 1, o.root_id, o.id, e->>'step',
        coalesce(found_row.generation, 0) + 1, 'claimed', 1, e->>'digest', v_now, v_now)
      on conflict (tenant_id, key) do update set fence = effect.fence + 1, updated_at = v_now where effect.state = 'claimed'
      returning * into found_row;
    elsif found_row.state = 'claimed' then
      update effect set fence = fence + 1, operation_id = o.id, request_digest = e->>'digest', updated_at = v_now
      where tenant_id = o.tenant_id and key = found_row.key returning * into found_row;
    end if;
    if found_row.state = 'claimed' and e ? 'reaches' and is_suppressed(o.tenant_id, e->'reaches', v_now) then
      update effect set state = 'refused', response = '{"reason": "suppressed"}', updated_at = v_now
      where tenant_id = o.tenant_id and key = found_row.key returning * into found_row;
    end if;
    return next found_row;
  end loop;
end $$;

-- As before, and: false, with the effect refused, when whom it would reach is suppressed. A suppression that is committed before this
-- function looks wins; one that comes later waits until `sending` is committed.
create or replace function begin_effect(p jsonb) returns boolean language plpgsql as $$
declare v_operation uuid; v_status text;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select operation_id into v_operation from effect where tenant_id = p->>'tenantId' and key = p->>'key';
  select status into v_status from operation where id = v_operation for share;
  if v_status is null or not is_open(v_status) then return false; end if;
  if p ? 'reaches' then
    perform lock_address(p->>'tenantId', p->'reaches'->>'address', true);
    if is_suppressed(p->>'tenantId', p->'reaches', (p->>'now')::timestamptz) then
      update effect set state = 'refused', response = '{"reason": "suppressed"}', fence = fence + 1, updated_at = (p->>'now')::timestamptz
      where tenant_id = p->>'tenantId' and key = p->>'key' and state = 'claimed' and fence = (p->>'fence')::integer;
      return false;
    end if;
  end if;
  update effect set state = 'sending', until = clock_timestamp() + make_interval(secs => (p->>'budgetMs')::double precision / 1000),
    updated_at = clock_timestamp()
  where tenant_id = p->>'tenantId' and key = p->>'key' and state = 'claimed' and fence = (p->>'fence')::integer;
  return found;
end $$;
