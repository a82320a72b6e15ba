-- Tokens of end users and sessions of our own pages: rows like keys, that end with the key that made them.

alter table api_key drop constraint api_key_kind_check;
alter table api_key add constraint api_key_kind_check check (kind in ('key', 'platform', 'token', 'session_link', 'session'));

-- What stands for somebody else is short-lived, and a token always says for whom: one without a subject would see everything.
alter table api_key add constraint api_key_token_subject check (kind <> 'token' or subject is not null);
alter table api_key add constraint api_key_short_lived check (kind in ('key', 'platform') or expires_at is not null);

alter table api_key add column made_by text references api_key (id);
create index api_key_made_by on api_key (made_by) where made_by is not null;

-- What a token sees is found by its subject.
create index operation_owner on operation (tenant_id, owner_subject, created_at desc, id desc) where owner_subject is not null;
