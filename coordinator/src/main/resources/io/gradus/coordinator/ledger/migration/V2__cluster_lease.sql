-- Leases among the nodes of a cluster: the side of a partition that holds one goes on. Times are
-- the database's. Not used where one process has the ledger for itself.
create table cluster_lease (
  name           varchar(255) not null primary key,
  owner          varchar(255) not null,
  expires_millis bigint       not null
);
