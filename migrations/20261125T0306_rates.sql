-- Requests of the present minute by key or address, over all API processes. Lost with a crash, which does no harm.
create unlogged table rate_count (
  bucket text primary key,
  ends_at timestamptz not null,
  hits integer not null
);
grant select, insert, update, delete on rate_count to nightshift_system;
