-- Files whose bytes are an object elsewhere: which version of it is meant. Of another one nothing is given out.

alter table file add column source_etag text;
alter table file add constraint file_source_whole check ((source is null) = (source_etag is null));
