-- Before an operation ends as cancelled: none of its effects begins any more. Gives its input and how its effects stand, of each step
-- the latest generation; while one is being sent, nothing is changed. What an attempt before this one was refused is still to be made,
-- so it counts as claimed.
create function seal_effects(p jsonb, out input jsonb, out effects jsonb) language plpgsql as $$
declare
  o operation;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  select * into o from operation where id = (p->>'operationId')::uuid for update;
  if not found then raise exception 'operation % does not exist', p->>'operationId'; end if;
  input := o.input;
  if (is_open(o.status) or o.run_id <> p->>'runId') and not exists (select from effect where root_id = o.root_id and state = 'sending') then
    update effect set state = 'refused', response = coalesce(response, '{}') || '{"reason": "cancelled"}', operation_id = o.id,
      updated_at = (p->>'now')::timestamptz
    where root_id = o.root_id and state = 'claimed';
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('step', e.step, 'response', e.response, 'repeats', e.repeats,
    'state', case when e.state = 'refused' and e.operation_id <> o.id then 'claimed' else e.state end)), '[]') into effects
  from (select distinct on (step) * from effect where root_id = o.root_id order by step, generation desc) e;
end $$;
