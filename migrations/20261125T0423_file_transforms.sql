-- Transforms of tables: how each reads its input, and the ledger of its chunks, so that what is done is not done again.

create table file_transform (
  -- The root id of the operation.
  id uuid primary key,
  tenant_id text not null references tenant (id),
  -- Of the input; a retry with another one begins anew.
  digest text not null,
  -- What was found out at the beginning: how the table is written, and its columns.
  plan jsonb,
  -- Ids of the files that it makes.
  output_id uuid not null,
  rejects_id uuid not null,
  profile_id uuid not null,
  page_id uuid not null,
  -- Raised by each attempt that begins, so that an earlier one that is still under way finds it, and stops after its chunk.
  fence integer not null,
  -- From then on nothing is added: an attempt that was only stopped finds it when it goes on.
  ended_at timestamptz,
  created_at timestamptz not null
);
create index file_transform_tenant on file_transform (tenant_id);
select enable_tenant_rows('file_transform', 'select, insert, update, delete', '');

-- A chunk is here when its part of the output is in storage. Offsets are of the text, unpacked and in UTF-8.
create table file_transform_chunk (
  transform_id uuid not null references file_transform (id) on delete cascade,
  number integer not null,
  tenant_id text not null references tenant (id),
  first_byte bigint not null,
  end_byte bigint not null,
  first_line bigint not null,
  end_line bigint not null,
  is_last boolean not null,
  rows bigint not null,
  rejected bigint not null,
  has_part boolean not null,
  has_rejects boolean not null,
  done_at timestamptz not null,
  primary key (transform_id, number)
);
create index file_transform_chunk_tenant on file_transform_chunk (tenant_id);
select enable_tenant_rows('file_transform_chunk', 'select, insert, delete', '');
