-- Whoever knows a row of `dispatch` goes to it by its key. An index over what is not delivered is nearly empty whenever it is counted,
-- so the planner takes it for the shortest way to any row that is not delivered; then each start, mark and end reads the whole backlog.
-- A condition that such an index answers is therefore left to the code that has the row.

-- As before. A row that is marked at the same moment keeps what its mark says.
create or replace function finish_operation(o operation, p jsonb) returns void language plpgsql as $$
declare
  d record;
  v_now timestamptz := (p->>'now')::timestamptz;
  v_status text := p->>'status';
  v_rejected text := case when (o.status = 'cancelling' or (p->>'cancelRequested')::boolean) and v_status <> 'cancelled' then 'too_late' end;
begin
  update operation set status = v_status, phase = v_status, message = null, run_id = coalesce(p->>'runId', run_id), result = p->'result',
    error = p->'error', finished_at = v_now, updated_at = v_now, cancel_rejected = v_rejected, stuck = null, paused = false
  where id = o.id;
  for d in select id, delivered_at from dispatch where operation_id = o.id order by id loop
    if d.delivered_at is null then
      update dispatch set delivered_at = coalesce(delivered_at, v_now), outcome = coalesce(outcome, 'dropped') where id = d.id;
    end if;
  end loop;
  perform append_stream_event(o.tenant_id, o.id, 'done',
    jsonb_strip_nulls(jsonb_build_object('status', v_status, 'phase', v_status, 'result', p->'result', 'error', p->'error',
      'cancelRejected', v_rejected)), v_now);
  insert into event (id, tenant_id, type, operation_id, data, created_at)
  values ((p->>'eventId')::uuid, o.tenant_id, 'operation.' || v_status, o.id,
    jsonb_build_object('operationId', o.id, 'rootId', o.root_id, 'kind', o.kind, 'status', v_status), v_now);
  insert into event (id, tenant_id, type, operation_id, data, created_at)
  select (e->>'id')::uuid, o.tenant_id, e->>'type', o.id, e->'data', v_now from jsonb_array_elements(coalesce(p->'events', '[]')) e;
  insert into audit_entry (id, tenant_id, at, actor, key_id, action, target, operation_id, subject, details)
  values ((p->>'auditId')::uuid, o.tenant_id, v_now, p->>'actor', p->>'keyId', 'operation.' || v_status, 'operation/' || o.id, o.id, 'tenant',
    coalesce(p->'details', '{}'));
end $$;

-- As before: leases rows that are due, urgent first, in turn by tenant. Which they are is read from the index, tenant by tenant, urgency by
-- urgency; each is then looked at again under its lock. A lease that a crash of the database forgets is taken anew, and Temporal knows
-- the workflow, so nobody waits for the disk.
create or replace function take_due_dispatches(p_limit integer, p_now timestamptz, p_lease_until timestamptz) returns setof dispatch
language plpgsql as $$
declare
  v_id uuid;
  d dispatch;
begin
  perform set_config('synchronous_commit', 'off', true);
  for v_id in
    with recursive tenants as (
      (select w.tenant_id from dispatch w where w.delivered_at is null order by w.tenant_id limit 1)
      union all
      select (select w.tenant_id from dispatch w where w.delivered_at is null and w.tenant_id > t.tenant_id order by w.tenant_id limit 1)
      from tenants t where t.tenant_id is not null
    ),
    due as (
      select first.id, first.priority, first.due_at,
        row_number() over (partition by first.tenant_id order by first.priority, first.due_at) as turn
      from tenants t
      cross join generate_series(1, 5) as urgency
      cross join lateral (
        select w.id, w.tenant_id, w.priority, w.due_at from dispatch w
        where w.delivered_at is null and w.tenant_id = t.tenant_id and w.priority = urgency and w.due_at <= p_now
          and (w.lease_until is null or w.lease_until <= p_now)
        order by w.due_at limit p_limit
      ) first
      where t.tenant_id is not null
    )
    select due.id from due order by due.turn, due.priority, due.due_at limit p_limit
  loop
    select * into d from dispatch where id = v_id for update skip locked;
    continue when not found or d.delivered_at is not null or d.lease_until > p_now;
    -- One workflow's rows go out in the order in which they were written.
    continue when exists (
      select from dispatch older where older.workflow_id = d.workflow_id and older.delivered_at is null and older.id < d.id);
    update dispatch set lease_until = p_lease_until, attempts = attempts + 1 where id = v_id returning * into d;
    return next d;
  end loop;
end $$;

-- Notes what Temporal has: of each row once, so a later mark changes nothing. A mark that a crash of the database forgets means that the
-- row is delivered again, as one that is lost with its process, so nobody waits for the disk.
create function mark_dispatches(p jsonb, p_now timestamptz) returns void language plpgsql as $$
declare done record;
begin
  perform set_config('synchronous_commit', 'off', true);
  for done in select * from jsonb_to_recordset(p) as x(id uuid, outcome text) order by x.id loop
    update dispatch set outcome = case when delivered_at is null then done.outcome else outcome end,
      delivered_at = coalesce(delivered_at, p_now), lease_until = null, last_error = null
    where id = done.id;
  end loop;
end $$;
