-- How long a mail server wants no mail at all, whoever's it is. Nothing of a tenant.
create table email_route (
  route text primary key,
  -- Pauses in a row; each is twice as long as the one before.
  strikes integer not null,
  paused_until timestamptz not null,
  -- A mail got out since the last pause.
  eased boolean not null
);
grant select, insert, update on email_route to nightshift_system;
