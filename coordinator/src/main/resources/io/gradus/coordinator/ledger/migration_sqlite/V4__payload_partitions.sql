-- SQLite has no partitions: payloads are deleted in small ranges instead.
insert into schema_compatibility (schema_version, oldest_program) values (4, 2);
