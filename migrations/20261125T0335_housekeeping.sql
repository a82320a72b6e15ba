-- What keeps the books costs each operation less: one statement where there were four, no NOTIFY that nobody hears, and updates that
-- stay on their page.

-- Until then somebody follows the stream. Whoever begins to follow writes it and then reads; this row's lock puts that before or behind
-- each change, so a change that tells nobody is one that is read.
alter table stream add column watched_until timestamptz;

-- As before, but tells listeners only when there are some: commits that NOTIFY wait for each other, and wake every process.
create or replace function append_stream_event(p_tenant text, p_stream uuid, p_type text, p_data jsonb, p_now timestamptz) returns bigint
language plpgsql as $$
declare
  v_seq bigint;
  v_watched timestamptz;
begin
  update stream set seq = seq + 1, ended = ended or p_type = 'done' where id = p_stream returning seq, watched_until into v_seq, v_watched;
  if v_seq is null then raise exception 'stream % does not exist', p_stream; end if;
  insert into stream_event (tenant_id, stream_id, seq, type, data, created_at) values (p_tenant, p_stream, v_seq, p_type, p_data, p_now);
  if v_watched > clock_timestamp() then perform pg_notify('nightshift_stream', p_stream::text); end if;
  return v_seq;
end $$;

-- Inserts or completes attempts at activities. Losing some in a crash does no harm, so nobody waits for the disk.
create function write_timeline(p jsonb) returns void language plpgsql as $$
begin
  perform set_config('app.tenant', p->>'tenantId', true), set_config('synchronous_commit', 'off', true);
  insert into timeline (id, tenant_id, operation_id, run_id, activity_id, activity, attempt, started_at, finished_at, outcome, error)
  select a.id, p->>'tenantId', a."operationId", a."runId", a."activityId", a.activity, a.attempt, a."startedAt", a."finishedAt", a.outcome, a.error
  from jsonb_to_recordset(p->'attempts') as a(id uuid, "operationId" uuid, "runId" text, "activityId" text, activity text, attempt integer,
    "startedAt" timestamptz, "finishedAt" timestamptz, outcome text, error jsonb)
  on conflict (id) do update set finished_at = excluded.finished_at, outcome = excluded.outcome, error = excluded.error;
end $$;

-- Gives positions to committed events that have none, one job at a time: the counter's row lock. Another job's turn counts as none left.
create function assign_event_positions(p_limit integer) returns integer language plpgsql as $$
declare
  v_last bigint;
  v_count integer;
begin
  if not exists (select from event where position is null) then return 0; end if;
  select position into v_last from event_position for update skip locked;
  if not found then return 0; end if;
  with fresh as (
    select id, row_number() over (order by created_at, id) as turn from event where position is null order by created_at, id limit p_limit
  )
  update event set position = v_last + fresh.turn from fresh where event.id = fresh.id;
  get diagnostics v_count = row_count;
  if v_count > 0 then update event_position set position = v_last + v_count; end if;
  return v_count;
end $$;

-- Rows that are changed several times soon after they were written: with room on their page the indexes need not hear of it.
alter table stream set (fillfactor = 60);
alter table effect set (fillfactor = 60);
alter table dispatch set (fillfactor = 60);
alter table operation set (fillfactor = 60);

-- Most work has no tags.
drop index operation_tags;
create index operation_tags on operation using gin (tags) where tags <> '{}';

-- Leases rows that are due: urgent first, in turn by tenant. Walks the index tenant by tenant, urgency by urgency, so that the cost does
-- not grow with what is not due or with one tenant's backlog. As a function its plan is made once a connection.
create function take_due_dispatches(p_limit integer, p_now timestamptz, p_lease_until timestamptz) returns setof dispatch
language plpgsql as $$
begin
  return query
    with recursive tenants as (
      (select d.tenant_id from dispatch d where d.delivered_at is null order by d.tenant_id limit 1)
      union all
      select (select d.tenant_id from dispatch d where d.delivered_at is null and d.tenant_id > t.tenant_id order by d.tenant_id limit 1)
      from tenants t where t.tenant_id is not null
    ),
    due as (
      select d.id, d.priority, row_number() over (partition by d.tenant_id order by d.priority, d.due_at) as turn, d.due_at
      from tenants t
      cross join generate_series(1, 5) as urgency
      cross join lateral (
        select w.id, w.tenant_id, w.priority, w.due_at from dispatch w
        where w.delivered_at is null and w.tenant_id = t.tenant_id and w.priority = urgency and w.due_at <= p_now
          and (w.lease_until is null or w.lease_until <= p_now)
        order by w.due_at limit p_limit
      ) d
      where t.tenant_id is not null
    ),
    chosen as (
      select d.id from dispatch d
      join (select due.id, due.turn, due.priority, due.due_at from due order by due.turn, due.priority, due.due_at limit p_limit) pick using (id)
      where d.delivered_at is null and (d.lease_until is null or d.lease_until <= p_now)
        -- One workflow's rows go out in the order in which they were written.
        and not exists (select from dispatch older where older.workflow_id = d.workflow_id and older.delivered_at is null and older.id < d.id)
      order by pick.turn, pick.priority, pick.due_at
      for update of d skip locked
    )
    update dispatch set lease_until = p_lease_until, attempts = dispatch.attempts + 1 from chosen where dispatch.id = chosen.id
    returning dispatch.*;
end $$;

-- Rows that functions write for an operation are of its tenant, and operations are never deleted. Checking that again for each of them
-- locked the one row of the tenant ten times an operation, against every other transaction. An operation's own keys stay checked.
do $$
declare c record;
begin
  for c in
    select conrelid::regclass as table_name, conname from pg_constraint
    where contype = 'f' and (
      (confrelid = 'tenant'::regclass and conrelid in ('dispatch'::regclass, 'effect'::regclass, 'stream'::regclass, 'stream_event'::regclass,
        'timeline'::regclass, 'event'::regclass, 'audit_entry'::regclass))
      or (confrelid = 'operation'::regclass and conrelid in ('timeline'::regclass, 'event'::regclass))
      or (confrelid = 'stream'::regclass and conrelid = 'stream_event'::regclass))
  loop
    execute format('alter table %s drop constraint %I', c.table_name, c.conname);
  end loop;
end $$;
