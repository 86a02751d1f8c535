-- Payloads by run and ranges of group numbers, so that they go by dropping a table and not by
-- deleting a million rows. The ledger attaches partitions ahead, named payload_RUN_FROM_TO. What is
-- there stays where it is, in one partition for the runs up to now; what has no partition of its
-- own, such as the payloads of a program that makes none, goes to the default one.
alter table payload rename to payload_before;
alter index payload_pkey rename to payload_before_pkey;

create table payload (
  run_key  bigint not null,
  group_id bigint not null,
  lease_id bigint not null,
  digest   bytea  not null,
  bytes    bytea  not null,
  primary key (run_key, group_id, lease_id)
) partition by range (run_key, group_id);

do $$
declare
  last_run bigint;
begin
  select coalesce(max(run_key), 0) into last_run from run;
  execute format(
    'alter table payload attach partition payload_before
      for values from (minvalue, minvalue) to (%s, minvalue)',
    last_run + 1);
end
$$;

create table payload_default partition of payload default;

-- Probabilities do not shrink; trying costs more processor time than it saves of the disk.
alter table payload alter column bytes set storage external;

insert into schema_compatibility (schema_version, oldest_program) values (4, 2);
