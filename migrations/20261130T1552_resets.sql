-- That work goes on under another run, while it had not ended, is told by the audit too, as it is of ended work: somebody reset its
-- workflow, or the workflow continued as new.

create function note_other_run() returns trigger language plpgsql as $$
begin
  -- Once for each run, whatever a late step of the run before does to the row.
  insert into audit_entry (id, tenant_id, at, actor, action, target, operation_id, subject, details)
  values (md5(new.id || '/' || new.run_id)::uuid, new.tenant_id, new.updated_at, 'temporal', 'operation.run.changed', 'operation/' || new.id,
    new.id, 'tenant', jsonb_build_object('from', old.run_id, 'to', new.run_id))
  on conflict do nothing;
  return null;
end $$;

create trigger operation_other_run after update of run_id on operation for each row
when (old.run_id <> new.run_id and is_open(old.status))
execute function note_other_run();
