-- Which programs may use the ledger after each migration, from this one on: those that know the
-- schema oldest_program or a newer one. A program reads the rows of the migrations that it does not
-- know; one that states nothing keeps every older program out.
create table schema_compatibility (
  schema_version integer not null primary key,
  oldest_program integer not null
);

insert into schema_compatibility (schema_version, oldest_program) values (3, 2);

-- Recovery reads what is kept and what is open, however old the run is.
create index policy_version_kept on policy_version (run_key, version) where not deleted;
create index evaluation_open on evaluation (run_key, version) where not finished and not abandoned;
