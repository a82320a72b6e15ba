-- The life of an operation and of its effects, one statement and so one round trip each. All run with the caller's rights: row-level
-- security applies.

create function is_open(status text) returns boolean immutable language sql as $$
  select status in ('accepted', 'scheduled', 'running', 'waiting', 'cancelling')
$$;

-- Ends an operation: row, last stream event, event of the platform, audit row.
create function finish_operation(o operation, p jsonb) returns void language plpgsql as $$
declare
  v_now timestamptz := (p->>'now')::timestamptz;
  v_status text := p->>'status';
  v_rejected text := case when (o.status = 'cancelling' or (p->>'cancelRequested')::boolean) and v_status <> 'cancelled' then 'too_late' end;
begin
  update operation set status = v_status, phase = v_status, run_id = coalesce(p->>'runId', run_id), result = p->'result',
    error = p->'error', finished_at = v_now, updated_at = v_now, cancel_rejected = v_rejected, stuck = null, paused = false
  where id = o.id;
  update dispatch set delivered_at = v_now, outcome = 'dropped' where operation_id = o.id and delivered_at is null;
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

-- The first step of every run: the row becomes this run's, or the run has nothing to do. Needs no fsync of its own: the commit of the
-- first effect flushes it, and a run that finds it lost opens again.
create function open_operation(p jsonb, out opened boolean, out status text, out input jsonb, out created_at timestamptz)
language plpgsql as $$
declare
  o operation;
  v_now timestamptz := (p->>'now')::timestamptz;
  v_run text := p->>'runId';
begin
  perform set_config('app.tenant', p->>'tenantId', true), set_config('synchronous_commit', 'off', true);
  select * into o from operation where id = (p->>'operationId')::uuid for update;
  if not found then raise exception 'operation % does not exist', p->>'operationId'; end if;
  opened := true;
  input := o.input;
  created_at := o.created_at;
  if o.status in ('accepted', 'scheduled') then
    if o.expires_at <= v_now then
      perform set_config('synchronous_commit', 'on', true);
      perform finish_operation(o, p || '{"status": "expired", "actor": "workflow", "result": null, "error": null}'::jsonb);
      opened := false;
      status := 'expired';
      return;
    end if;
    update operation t set status = 'running', phase = 'running', run_id = v_run, started_at = v_now, updated_at = v_now where t.id = o.id;
    perform append_stream_event(o.tenant_id, o.id, 'step', '{"phase": "running", "status": "running"}', v_now);
  elsif not is_open(o.status) then
    -- Ended before it ever ran, or by this very run: nothing to do. Ended under another run: someone reset the workflow.
    if o.run_id is null or o.run_id = v_run then
      opened := false;
      status := o.status;
      return;
    end if;
    perform reopen_operation(o, p);
  elsif o.run_id is distinct from v_run then
    update operation t set run_id = v_run, updated_at = v_now where t.id = o.id;
  end if;
  status := 'running';
end $$;

create function reopen_operation(o operation, p jsonb) returns void language plpgsql as $$
declare v_now timestamptz := (p->>'now')::timestamptz;
begin
  update operation set status = 'running', phase = 'running', run_id = p->>'runId', result = null, error = null, finished_at = null,
    cancel_requested_at = null, cancel_rejected = null, updated_at = v_now where id = o.id;
  update stream set ended = false where id = o.id;
  perform append_stream_event(o.tenant_id, o.id, 'step', '{"phase": "running", "status": "running", "reopened": true}', v_now);
  insert into audit_entry (id, tenant_id, at, actor, action, target, operation_id, subject)
  values ((p->>'reopenAuditId')::uuid, o.tenant_id, v_now, 'temporal', 'operation.reopened', 'operation/' || o.id, o.id, 'tenant');
end $$;

-- A stored step. Also reopens, since after a reset the opening step may not run again.
create function mark_operation(p jsonb) returns text language plpgsql as $$
declare o operation; v_now timestamptz := (p->>'now')::timestamptz;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select * into o from operation where id = (p->>'operationId')::uuid for update;
  if not found then raise exception 'operation % does not exist', p->>'operationId'; end if;
  if not is_open(o.status) then
    if o.run_id is null or o.run_id = p->>'runId' then return o.status; end if;
    perform reopen_operation(o, p);
    o.status := 'running';
  end if;
  update operation set status = case when o.status = 'cancelling' then o.status else p->>'status' end, phase = p->>'phase',
    message = p->>'message', run_id = p->>'runId', paused = coalesce((p->>'paused')::boolean, paused),
    updated_at = v_now where id = o.id returning status into o.status;
  perform append_stream_event(o.tenant_id, o.id, 'step',
    jsonb_strip_nulls(jsonb_build_object('status', o.status, 'phase', p->>'phase', 'message', p->>'message',
      'paused', (p->>'paused')::boolean)), v_now);
  return o.status;
end $$;

-- The last step of every run. Not closed while a cancel would overtake an effect that is being sent; then: how long to wait, at least.
create function close_operation(p jsonb, out closed boolean, out status text, out retry_in_ms integer, out seconds double precision) language plpgsql as $$
declare
  o operation;
  v_until timestamptz;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select * into o from operation where id = (p->>'operationId')::uuid for update;
  if not found then raise exception 'operation % does not exist', p->>'operationId'; end if;
  closed := true;
  status := o.status;
  seconds := greatest(0, extract(epoch from (p->>'now')::timestamptz - coalesce(o.started_at, o.created_at)));
  if not is_open(o.status) and (o.run_id is null or o.run_id = p->>'runId') then return; end if;
  if not is_open(o.status) then
    perform reopen_operation(o, p);
    o.status := 'running';
  end if;
  if p->>'status' = 'cancelled' and o.cancel_requested_at is null and p->>'actor' = 'workflow' then
    -- Nobody asked us, so it was asked of Temporal.
    p := p || '{"actor": "temporal"}'::jsonb;
  end if;
  if p->>'status' = 'cancelled' then
    select max(until) into v_until from effect where root_id = o.root_id and state = 'sending';
    if v_until is not null then
      closed := false;
      retry_in_ms := greatest(100, extract(epoch from v_until - clock_timestamp()) * 1000)::integer;
      return;
    end if;
    update effect set state = 'refused', response = coalesce(response, '{}') || '{"reason": "cancelled"}', updated_at = (p->>'now')::timestamptz
    where root_id = o.root_id and state = 'claimed';
  end if;
  if p->>'status' = 'failed' and exists (select from effect where root_id = o.root_id and state = 'sending') then
    -- Unknown is not failed: while a sender may still be at it, wait; when its time is up, say that nobody knows.
    select max(until) into v_until from effect where root_id = o.root_id and state = 'sending';
    if v_until > clock_timestamp() then
      closed := false;
      retry_in_ms := greatest(100, extract(epoch from v_until - clock_timestamp()) * 1000)::integer;
      return;
    end if;
    update effect set state = 'unknown', until = null, fence = fence + 1, updated_at = (p->>'now')::timestamptz
    where root_id = o.root_id and state = 'sending';
    p := p || jsonb_build_object('status', 'unknown', 'error', jsonb_build_object('code', 'outcome_unknown', 'retryable', true,
      'message', 'The work stopped while an effect was being made. Retry to find out what became of it.'));
  end if;
  perform finish_operation(o, p);
  status := p->>'status';
end $$;

-- Claims the named effects of one operation for this attempt: each gets the next fence. What is already sent, refused in this very
-- operation, or unknown stays as it is and is given back for the caller to decide. Needs no fsync: the commit of `sending` flushes it.
create function claim_effects(p jsonb) returns setof effect language plpgsql as $$
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
    return next found_row;
  end loop;
end $$;

-- The compare-and-set that comes directly before the first irrevocable byte. False: another attempt took over, or the operation ended.
create function begin_effect(p jsonb) returns boolean language plpgsql as $$
declare v_operation uuid; v_status text;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select operation_id into v_operation from effect where tenant_id = p->>'tenantId' and key = p->>'key';
  select status into v_status from operation where id = v_operation for share;
  if v_status is null or not is_open(v_status) then return false; end if;
  update effect set state = 'sending', until = clock_timestamp() + make_interval(secs => (p->>'budgetMs')::double precision / 1000),
    updated_at = clock_timestamp()
  where tenant_id = p->>'tenantId' and key = p->>'key' and state = 'claimed' and fence = (p->>'fence')::integer;
  return found;
end $$;

-- Records how an effect ended: from `sending`, from `claimed` when the other side said no before anything was sent, from `unknown` when it
-- was asked later. Back to `claimed` means: it surely did not happen. The fence moves, so that whoever else still holds the old one can change nothing.
create function end_effect(p jsonb) returns integer language plpgsql as $$
declare v_fence integer;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  update effect set state = p->>'state', until = null, response = coalesce(nullif(p->'response', 'null'), response), fence = fence + 1,
    operation_id = coalesce((p->>'operationId')::uuid, operation_id), updated_at = (p->>'now')::timestamptz
  where tenant_id = p->>'tenantId' and key = p->>'key' and state in ('claimed', 'sending', 'unknown') and fence = (p->>'fence')::integer
  returning fence into v_fence;
  return v_fence;
end $$;
