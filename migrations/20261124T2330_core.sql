-- The ground that every feature stands on: tenants and keys, operations and what moves them, effects, streams, events, audit.
-- Roles: the owner runs this file; nightshift_app (row-level security applies) and nightshift_system (own policies) own nothing.

do $$
begin
  if not exists (select from pg_roles where rolname = 'nightshift_app') then create role nightshift_app nologin; end if;
  if not exists (select from pg_roles where rolname = 'nightshift_system') then create role nightshift_system nologin; end if;
end $$;

grant usage on schema public to nightshift_app, nightshift_system;

-- Called once for every table with a tenant_id: the app role sees one tenant's rows, the one named by app.tenant, and nothing when it is unset.
create function enable_tenant_rows(table_name regclass, app_rights text, system_rights text) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', table_name);
  execute format('alter table %s force row level security', table_name);
  execute format(
    'create policy tenant_rows on %s for all to nightshift_app
       using (tenant_id = nullif(current_setting(''app.tenant'', true), ''''))
       with check (tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', table_name);
  execute format('grant %s on %s to nightshift_app', app_rights, table_name);
  if system_rights <> '' then
    execute format('create policy system_rows on %s for all to nightshift_system using (true) with check (true)', table_name);
    execute format('grant %s on %s to nightshift_system', system_rights, table_name);
  end if;
end $$;

create table tenant (
  id text primary key check (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  name text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz
);
grant select, insert, update on tenant to nightshift_system;
grant select on tenant to nightshift_app;

-- Keys and short-lived tokens alike. The secret is stored as its SHA-256 only; a platform key has no tenant and acts for any.
create table api_key (
  id text primary key,
  tenant_id text references tenant (id),
  kind text not null check (kind in ('key', 'platform', 'token')),
  secret_hash bytea not null,
  name text not null,
  scopes text[] not null,
  subject text,
  resources text[],
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index api_key_tenant on api_key (tenant_id, created_at);
select enable_tenant_rows('api_key', 'select, insert, update', 'select, insert, update');

create table app_user (
  tenant_id text not null references tenant (id),
  id text not null,
  email text,
  time_zone text,
  locale text,
  attributes jsonb not null default '{}',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id)
);
select enable_tenant_rows('app_user', 'select, insert, update, delete', '');

create table operation (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  kind text not null,
  status text not null check (status in
    ('accepted', 'scheduled', 'running', 'waiting', 'cancelling', 'succeeded', 'failed', 'cancelled', 'expired', 'unknown')),
  phase text not null,
  message text,
  progress jsonb,
  input jsonb not null,
  result jsonb,
  error jsonb,
  tags text[] not null default '{}',
  metadata jsonb not null default '{}',
  notify jsonb not null default '[]',
  priority smallint not null default 3,
  owner_subject text,
  created_by text not null,
  natural_key text,
  root_id uuid not null,
  retry_of uuid references operation (id),
  attempt integer not null default 1,
  workflow_id text not null,
  run_id text,
  start_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  updated_at timestamptz not null,
  checked_at timestamptz,
  cancel_requested_at timestamptz,
  cancel_rejected text,
  stuck jsonb,
  paused boolean not null default false
);
create unique index operation_natural_key on operation (tenant_id, kind, natural_key, attempt) where natural_key is not null;
create unique index operation_attempt on operation (tenant_id, root_id, attempt);
create unique index operation_workflow on operation (workflow_id);
create index operation_list on operation (tenant_id, created_at desc, id desc);
create index operation_kind on operation (tenant_id, kind, created_at desc, id desc);
create index operation_tags on operation using gin (tags);
create index operation_retry_of on operation (retry_of) where retry_of is not null;
create index operation_open on operation (checked_at nulls first) where status in ('running', 'waiting', 'cancelling');
select enable_tenant_rows('operation', 'select, insert, update', 'select, update');

create table dispatch (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  operation_id uuid not null references operation (id),
  workflow_id text not null,
  workflow_type text not null,
  task_queue text not null,
  verb text not null check (verb in ('start', 'signal', 'cancel')),
  name text,
  payload jsonb not null,
  priority smallint not null,
  due_at timestamptz not null,
  lease_until timestamptz,
  attempts integer not null default 0,
  last_error text,
  created_at timestamptz not null,
  delivered_at timestamptz,
  outcome text
);
create index dispatch_due on dispatch (tenant_id, priority, due_at) where delivered_at is null;
create index dispatch_operation on dispatch (operation_id);
select enable_tenant_rows('dispatch', 'select, insert, update', 'select, update, delete');

create table effect (
  tenant_id text not null references tenant (id),
  key text not null,
  root_id uuid not null,
  operation_id uuid not null references operation (id),
  step text not null,
  generation integer not null,
  state text not null check (state in ('claimed', 'sending', 'done', 'refused', 'unknown')),
  fence integer not null,
  until timestamptz,
  request_digest text not null,
  response jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, key)
);
create unique index effect_step on effect (tenant_id, root_id, step, generation);
create index effect_operation on effect (operation_id);
select enable_tenant_rows('effect', 'select, insert, update', '');

create table stream (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  seq bigint not null,
  progress jsonb,
  ended boolean not null default false
);
select enable_tenant_rows('stream', 'select, insert, update', '');

create table stream_event (
  tenant_id text not null references tenant (id),
  stream_id uuid not null references stream (id),
  seq bigint not null,
  type text not null check (type in ('step', 'done')),
  data jsonb not null,
  created_at timestamptz not null,
  primary key (stream_id, seq)
);
select enable_tenant_rows('stream_event', 'select, insert', '');

create table timeline (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  operation_id uuid not null references operation (id),
  run_id text not null,
  activity_id text not null,
  activity text not null,
  attempt integer not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome text check (outcome in ('succeeded', 'failed', 'cancelled')),
  error jsonb
);
create index timeline_operation on timeline (operation_id, started_at, id);
select enable_tenant_rows('timeline', 'select, insert, update', '');

-- position is given after the commit, by one job at a time: a reader that goes by position misses nothing.
create table event (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  type text not null,
  operation_id uuid references operation (id),
  data jsonb not null,
  created_at timestamptz not null,
  position bigint unique
);
create index event_unpositioned on event (created_at, id) where position is null;
create index event_read on event (tenant_id, position) where position is not null;
create index event_operation on event (operation_id);
select enable_tenant_rows('event', 'select, insert', 'select, update');

create table event_position (only_row boolean primary key default true check (only_row), position bigint not null);
insert into event_position values (true, 0);
grant select, update on event_position to nightshift_system;

-- The key under which a subject's values are hashed in the audit rows; deleting the row takes the meaning out of them.
create table subject_key (
  tenant_id text not null references tenant (id),
  subject text not null,
  secret bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, subject)
);
select enable_tenant_rows('subject_key', 'select, insert', '');

create table audit_entry (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  at timestamptz not null,
  actor text not null,
  key_id text,
  action text not null,
  target text not null,
  operation_id uuid,
  subject text not null,
  before_hmac bytea,
  after_hmac bytea,
  details jsonb not null default '{}'
);
create index audit_entry_list on audit_entry (tenant_id, at, id);
create index audit_entry_operation on audit_entry (operation_id) where operation_id is not null;
select enable_tenant_rows('audit_entry', 'select, insert', '');

create table idempotency (
  tenant_id text not null references tenant (id),
  key text not null,
  digest text not null,
  status smallint not null,
  object_type text not null,
  object_id text not null,
  created_at timestamptz not null,
  primary key (tenant_id, key)
);
create index idempotency_created on idempotency (created_at);
select enable_tenant_rows('idempotency', 'select, insert, update', 'select, delete');

-- Accepts one operation: idempotency row, operation, dispatch row, audit row, stream with its first event, in one statement and so in
-- one round trip. Returns the outcome and the id of the operation that answers the request.
--   created   the operation is new
--   existing  another operation holds the natural key
--   replayed  the idempotency key was used before, with the same digest
--   mismatch  the idempotency key was used before, for something else
-- No NOTIFY here: nobody listens yet, and it costs every commit.
create function accept_operation(p jsonb, out outcome text, out object_id text) language plpgsql as $$
declare
  v_now timestamptz := (p->>'now')::timestamptz;
  v_id uuid := (p->>'id')::uuid;
  v_digest text;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  if p->>'idempotencyKey' is not null then
    insert into idempotency (tenant_id, key, digest, status, object_type, object_id, created_at)
    values (p->>'tenantId', p->>'idempotencyKey', p->>'digest', 202, 'operation', v_id::text, v_now)
    on conflict (tenant_id, key) do nothing;
    if not found then
      select i.digest, i.object_id into v_digest, object_id from idempotency i
      where i.tenant_id = p->>'tenantId' and i.key = p->>'idempotencyKey';
      outcome := case when v_digest = p->>'digest' then 'replayed' else 'mismatch' end;
      return;
    end if;
  end if;
  insert into operation (id, tenant_id, kind, status, phase, input, tags, metadata, notify, priority, owner_subject, created_by,
    natural_key, root_id, retry_of, attempt, workflow_id, start_at, expires_at, created_at, updated_at)
  values (v_id, p->>'tenantId', p->>'kind', p->>'status', p->>'status', p->'input',
    array(select jsonb_array_elements_text(p->'tags')), p->'metadata', p->'notify', (p->>'priority')::smallint, p->>'ownerSubject',
    p->>'actor', p->>'naturalKey', (p->>'rootId')::uuid, (p->>'retryOf')::uuid, (p->>'attempt')::integer, p->>'workflowId',
    (p->>'startAt')::timestamptz, (p->>'expiresAt')::timestamptz, v_now, v_now)
  on conflict do nothing;
  if not found then
    select o.id::text into object_id from operation o
    where o.tenant_id = p->>'tenantId' and o.kind = p->>'kind'
      and case when p->>'naturalKey' is not null then o.natural_key = p->>'naturalKey' else o.root_id = (p->>'rootId')::uuid end
    order by o.attempt desc limit 1;
    if p->>'idempotencyKey' is not null then
      update idempotency i set object_id = accept_operation.object_id
      where i.tenant_id = p->>'tenantId' and i.key = p->>'idempotencyKey';
    end if;
    outcome := 'existing';
    return;
  end if;
  insert into dispatch (id, tenant_id, operation_id, workflow_id, workflow_type, task_queue, verb, payload, priority, due_at, lease_until,
    created_at)
  values ((p->>'dispatchId')::uuid, p->>'tenantId', v_id, p->>'workflowId', p->>'workflowType', p->>'taskQueue', 'start', p->'payload',
    (p->>'priority')::smallint, coalesce((p->>'startAt')::timestamptz, v_now), (p->>'leaseUntil')::timestamptz, v_now);
  insert into audit_entry (id, tenant_id, at, actor, key_id, action, target, operation_id, subject, after_hmac)
  values ((p->>'auditId')::uuid, p->>'tenantId', v_now, p->>'actor', p->>'keyId', p->>'auditAction', 'operation/' || v_id::text, v_id,
    p->>'subject', decode(p->>'afterHmac', 'hex'));
  insert into stream (id, tenant_id, seq) values (v_id, p->>'tenantId', 1);
  insert into stream_event (tenant_id, stream_id, seq, type, data, created_at)
  values (p->>'tenantId', v_id, 1, 'step', jsonb_build_object('phase', p->>'status', 'status', p->>'status'), v_now);
  outcome := 'created';
  object_id := v_id::text;
end $$;

-- Appends one stored event to a stream and tells the listeners. Readers see it when the caller's transaction commits.
create function append_stream_event(p_tenant text, p_stream uuid, p_type text, p_data jsonb, p_now timestamptz) returns bigint
language plpgsql as $$
declare v_seq bigint;
begin
  update stream set seq = seq + 1, ended = ended or p_type = 'done' where id = p_stream returning seq into v_seq;
  if v_seq is null then raise exception 'stream % does not exist', p_stream; end if;
  insert into stream_event (tenant_id, stream_id, seq, type, data, created_at) values (p_tenant, p_stream, v_seq, p_type, p_data, p_now);
  perform pg_notify('nightshift_stream', p_stream::text);
  return v_seq;
end $$;
