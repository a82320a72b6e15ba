-- Since when a buyer has something to do about a payment, for the mails that say so. Kept here, whoever writes the state.

alter table checkout_order
  add column action_since timestamptz,
  add column delayed_since timestamptz,
  add column declined_at timestamptz;

create function note_order_state() returns trigger language plpgsql as $$
begin
  if new.state = 'needs_action' and old.state <> 'needs_action' then new.action_since := new.updated_at; end if;
  if new.state = 'processing' and old.state <> 'processing' then new.delayed_since := new.updated_at; end if;
  if new.decline is null then new.declined_at := null;
  elsif new.decline is distinct from old.decline or old.declined_at is null then new.declined_at := new.updated_at;
  end if;
  return new;
end $$;
create trigger checkout_order_state before update on checkout_order for each row execute function note_order_state();
