-- A payment is delayed when its bank takes its time, not while another card is being tried. What is tried next is not delayed any more.

create or replace function note_order_state() returns trigger language plpgsql as $$
begin
  if new.state = 'needs_action' and old.state <> 'needs_action' then new.action_since := new.updated_at; end if;
  if new.payment_try > old.payment_try then new.delayed_since := null; end if;
  if new.intent_status = 'processing' and old.intent_status is distinct from 'processing' then new.delayed_since := new.updated_at; end if;
  if new.decline is null then new.declined_at := null;
  elsif new.decline is distinct from old.decline or old.declined_at is null then new.declined_at := new.updated_at;
  end if;
  return new;
end $$;
