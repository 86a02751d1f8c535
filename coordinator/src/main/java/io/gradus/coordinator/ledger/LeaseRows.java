package io.gradus.coordinator.ledger;

import java.time.Duration;
import org.jdbi.v3.core.Jdbi;

/// Leases among the nodes of a cluster, on the clock of the database; not the leases of groups.
///
/// Nodes share a ledger on PostgreSQL alone, so these statements are PostgreSQL's.
public final class LeaseRows {

  private static final String NOW = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

  private final Jdbi writer;

  LeaseRows(Jdbi writer) {
    this.writer = writer;
  }

  /// Takes or renews a lease for `owner`.
  ///
  /// @return whether it is the owner's now; otherwise another holds it, and it has not run out
  public boolean acquire(String name, String owner, Duration timeToLive) {
    return writer.inTransaction(handle ->
        handle.execute(
                """
                insert into cluster_lease (name, owner, expires_millis) values (?, ?, %s + ?)
                on conflict (name) do update
                  set owner = excluded.owner, expires_millis = excluded.expires_millis
                  where cluster_lease.owner = excluded.owner
                    or cluster_lease.expires_millis < %s\
                """
                    .formatted(NOW, NOW),
                name,
                owner,
                timeToLive.toMillis())
            == 1);
  }

  /// Gives a lease back; nothing happens where another holds it.
  public void release(String name, String owner) {
    writer.useTransaction(handle ->
        handle.execute("delete from cluster_lease where name = ? and owner = ?", name, owner));
  }
}
