-- Workflows that are no operation's have dispatch rows too. Rows of one workflow go out in the order in which they were written, whoever
-- it belongs to.

alter table dispatch alter column operation_id drop not null;
create index dispatch_workflow on dispatch (workflow_id, id) where delivered_at is null;
