-- How operations end: one that has expired under way is closed as such and begins nothing any more, like a cancelled one; what was said
-- while it waited is not said of its end; and the sweep finds those whose workflow ended before it opened them.

create or replace function finish_operation(o operation, p jsonb) returns void language plpgsql as $$
declare
  v_now timestamptz := (p->>'now')::timestamptz;
  v_status text := p->>'status';
  v_rejected text := case when (o.status = 'cancelling' or (p->>'cancelRequested')::boolean) and v_status <> 'cancelled' then 'too_late' end;
begin
  update operation set status = v_status, phase = v_status, message = null, run_id = coalesce(p->>'runId', run_id), result = p->'result',
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

create or replace function close_operation(p jsonb, out closed boolean, out status text, out retry_in_ms integer, out seconds double precision) language plpgsql as $$
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
  if p->>'status' in ('cancelled', 'expired') then
    select max(until) into v_until from effect where root_id = o.root_id and state = 'sending';
    if v_until is not null then
      closed := false;
      retry_in_ms := greatest(100, extract(epoch from v_until - clock_timestamp()) * 1000)::integer;
      return;
    end if;
    update effect set state = 'refused', response = coalesce(response, '{}') || jsonb_build_object('reason', p->>'status'), updated_at = (p->>'now')::timestamptz
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

create index operation_unopened on operation (coalesce(start_at, created_at)) where status in ('accepted', 'scheduled');
