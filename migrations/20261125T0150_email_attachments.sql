-- Files that mails carry, once for each content and tenant; and sends that were repeated without knowing what became of the first.

create table email_attachment (
  tenant_id text not null references tenant (id),
  sha256 text not null,
  content bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, sha256)
);
-- Files are compressed already, and PostgreSQL would try again.
alter table email_attachment alter column content set storage external;
select enable_tenant_rows('email_attachment', 'select, insert', '');

alter table effect add column repeats integer not null default 0;

-- As before, and counts what goes back to `claimed` although it may have happened.
create or replace function end_effect(p jsonb) returns integer language plpgsql as $$
declare v_fence integer;
begin
  perform set_config('app.tenant', p->>'tenantId', true);
  update effect set state = p->>'state', until = null, response = coalesce(nullif(p->'response', 'null'), response), fence = fence + 1,
    repeats = repeats + case when (p->>'isRepeated')::boolean then 1 else 0 end,
    operation_id = coalesce((p->>'operationId')::uuid, operation_id), updated_at = (p->>'now')::timestamptz
  where tenant_id = p->>'tenantId' and key = p->>'key' and state in ('claimed', 'sending', 'unknown') and fence = (p->>'fence')::integer
  returning fence into v_fence;
  return v_fence;
end $$;
