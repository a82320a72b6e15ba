-- Short work in fewer transactions: what has never run claims its effect as it begins, and its only effect ends together with it.

drop function open_operation(jsonb);

-- As before, and tells whether the work is fresh: it has never run, so no effect of it is claimed, and nobody refuses what the tenant
-- sends. Its effects may then be claimed as they begin.
create function open_operation(p jsonb, out opened boolean, out status text, out input jsonb, out created_at timestamptz, out fresh boolean)
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
  fresh := false;
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
    fresh := o.attempt = 1 and not exists (select from suppression s where s.tenant_id = o.tenant_id);
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

-- Claims and begins the first generation of an effect in one go. False: it has a row, so another attempt was here; or its operation has
-- ended; or whom it would reach is suppressed, which the next claim finds out.
create function begin_first_effect(p jsonb) returns boolean language plpgsql as $$
declare v_status text;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select status into v_status from operation where id = (p->>'operationId')::uuid for share;
  if v_status is null or not is_open(v_status) then return false; end if;
  if p ? 'reaches' then
    perform lock_address(p->>'tenantId', p->'reaches'->>'address', true);
    if is_suppressed(p->>'tenantId', p->'reaches', (p->>'now')::timestamptz) then return false; end if;
  end if;
  insert into effect (tenant_id, key, root_id, operation_id, step, generation, state, fence, until, request_digest, created_at, updated_at)
  values (p->>'tenantId', p->>'key', (p->>'rootId')::uuid, (p->>'operationId')::uuid, p->>'step', 1, 'sending', 1,
    clock_timestamp() + make_interval(secs => (p->>'budgetMs')::double precision / 1000), p->>'digest', clock_timestamp(), clock_timestamp())
  on conflict do nothing;
  return found;
end $$;

-- Ends an operation's only effect and, with it, the operation. No fence: somebody else settled the effect, and nothing was changed. Not
-- closed: another run has the operation by now; the effect was ended all the same.
create function finish_effect(p jsonb, out fence integer, out closed boolean, out seconds double precision) language plpgsql as $$
declare v_run text;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  -- The operation first, as everywhere: two who lock the same rows in different order could wait for each other.
  select run_id into v_run from operation where id = (p->>'operationId')::uuid for update;
  fence := end_effect(p->'effect');
  closed := false;
  if fence is null or v_run is distinct from p->>'runId' then return; end if;
  select c.closed, c.seconds into closed, seconds from close_operation(p - 'effect') c;
end $$;
