-- A sweep looks for uploads past their end that nobody gave up, and for bytes that nobody removed, as after `temporal workflow terminate`.

create policy system_rows on file for select to nightshift_system using (true);
grant select on file to nightshift_system;
create policy system_rows on upload for select to nightshift_system using (true);
grant select on upload to nightshift_system;

create index upload_open_end on upload (expires_at) where state = 'open';
create index upload_to_remove on upload (updated_at) where state in ('terminated', 'expired') and segments <> '[]';
create index file_to_remove on file (updated_at)
  where state = 'deleted' and (object_name is not null or source is not null or reserved_bytes > 0);
