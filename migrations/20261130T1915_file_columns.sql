-- Of a table that was made here. Names of columns may be anybody's first line, so they pass through no workflow.
alter table file add column columns jsonb;
