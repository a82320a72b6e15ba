-- A sweep looks for transforms whose work ended without clearing up, as after `temporal workflow terminate`, and which nobody retried.

create policy system_rows on file_transform for select to nightshift_system using (true);
grant select on file_transform to nightshift_system;
