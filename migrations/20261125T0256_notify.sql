-- Mails about the end of an operation, accepted by the transaction that ends it, whoever writes that end: the workflow, the sweep, a
-- cancel before the start, or opening too late.

create function notify_of_end() returns trigger language plpgsql as $$
declare
  n jsonb;
  v_to text;
  v_locale text;
begin
  for n in select * from jsonb_array_elements(new.notify) loop
    v_to := n->>'email';
    v_locale := 'en';
    if n ? 'userId' then
      select u.email, coalesce(u.locale, 'en') into v_to, v_locale from app_user u where u.tenant_id = new.tenant_id and u.id = n->>'userId';
    end if;
    if v_to is null then
      insert into audit_entry (id, tenant_id, at, actor, action, target, operation_id, subject, details)
      values ((n->>'skippedId')::uuid, new.tenant_id, new.finished_at, 'system', 'operation.notify.skipped', 'operation/' || new.id, new.id,
        n->>'userId', '{"reason": "no_address"}')
      on conflict do nothing;
    else
      -- The mail itself is made when it is sent. An operation that was opened and closed again finds it there.
      perform accept_operation((n->'accept') || jsonb_build_object('now', new.finished_at, 'input', jsonb_build_object(
        'to', jsonb_build_array(v_to), 'template', 'operation-ended', 'locale', v_locale,
        'data', jsonb_strip_nulls(jsonb_build_object('operationId', new.id, 'kind', new.kind, 'status', new.status,
          'errorCode', new.error->>'code', 'errorMessage', new.error->>'message',
          'createdAt', new.created_at, 'finishedAt', new.finished_at)))));
    end if;
  end loop;
  return null;
end $$;

create trigger operation_notify after update of status on operation for each row
  when (new.notify <> '[]' and is_open(old.status) and not is_open(new.status)) execute function notify_of_end();
