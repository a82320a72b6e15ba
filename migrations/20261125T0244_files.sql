-- Files: what is known of each, the uploads that are under way, how much a tenant keeps, and the secrets behind download links.

create table file (
  id uuid primary key,
  tenant_id text not null references tenant (id),
  state text not null check (state in ('uploading', 'checking', 'quarantined', 'ready', 'failed', 'deleted')),
  -- As the user calls it; never a path.
  name text,
  declared_type text,
  media_type text,
  size_bytes bigint,
  sha256 text,
  -- Of the object in storage, once there is one.
  object_name text,
  -- Where the bytes are when they were registered and not received; such an object is not ours to delete.
  source text,
  reasons jsonb not null default '[]',
  checks jsonb,
  -- What of the tenant's quota it takes.
  reserved_bytes bigint not null default 0,
  owner_subject text,
  created_by text not null,
  metadata jsonb not null default '{}',
  -- Start fields of the operation that checks it.
  start_fields jsonb not null default '{}',
  operation_id uuid references operation (id),
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index file_list on file (tenant_id, created_at desc, id desc);
create index file_operation on file (operation_id) where operation_id is not null;
select enable_tenant_rows('file', 'select, insert, update', '');

-- An upload under way, and how it ended. Who may write is decided by one conditional update of this row.
create table upload (
  id uuid primary key references file (id),
  tenant_id text not null references tenant (id),
  state text not null check (state in ('open', 'complete', 'terminated', 'expired')),
  -- Bytes that would survive a crash.
  offset_bytes bigint not null default 0,
  -- Null while it is not known.
  length_bytes bigint,
  -- Upload-Metadata as it came.
  metadata text,
  -- [{ epoch, firstByte }]: files of one writer each, in order.
  segments jsonb not null default '[]',
  -- Of the request that may write; a lock whose time is up may be taken over, and the old holder can acknowledge nothing any more.
  lock uuid,
  lock_until timestamptz,
  -- Somebody wants to go on with it: the holder stops at once.
  release_asked boolean not null default false,
  -- Of the whole, when one request after the other came through one process.
  sha256 text,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check (length_bytes is null or offset_bytes <= length_bytes)
);
create index upload_tenant on upload (tenant_id);
select enable_tenant_rows('upload', 'select, insert, update, delete', '');

create table file_usage (
  tenant_id text primary key references tenant (id),
  bytes bigint not null default 0 check (bytes >= 0)
);
select enable_tenant_rows('file_usage', 'select, insert, update', '');

-- Takes bytes of the tenant's quota for a file, or gives them back where p_delta is below zero. False: there are not so many left.
create function reserve_file_bytes(p_tenant text, p_file uuid, p_delta bigint, p_quota bigint) returns boolean language plpgsql as $$
begin
  if p_delta = 0 then return true; end if;
  insert into file_usage (tenant_id) values (p_tenant) on conflict do nothing;
  update file_usage set bytes = bytes + p_delta where tenant_id = p_tenant and (p_delta < 0 or bytes + p_delta <= p_quota);
  if not found then return false; end if;
  update file set reserved_bytes = reserved_bytes + p_delta where id = p_file;
  return true;
end $$;

-- What download links are sealed with. Without the row all links of the tenant are void.
create table file_secret (
  tenant_id text primary key references tenant (id),
  secret bytea not null,
  created_at timestamptz not null
);
select enable_tenant_rows('file_secret', 'select, insert', '');
