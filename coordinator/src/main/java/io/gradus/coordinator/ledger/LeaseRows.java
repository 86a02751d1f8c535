package io.gradus.coordinator.ledger;

import java.time.Duration;
import java.util.Set;
import org.jdbi.v3.core.Jdbi;

/// Leases among the nodes of a cluster, on the clock of the database, and which nodes it has put
/// out; not the leases of groups.
///
/// Nodes share a ledger on PostgreSQL alone, so these statements are PostgreSQL's.
public final class LeaseRows {

  private static final String NOW = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

  /// Before the name of a node that was put out.
  private static final String OUT = "out ";

  private final Jdbi writer;

  LeaseRows(Jdbi writer) {
    this.writer = writer;
  }

  /// Takes or renews a lease for `owner`.
  ///
  /// @return whether it is the owner's now; otherwise another holds it, and it has not run out
  public boolean acquire(String name, String owner, Duration timeToLive) {
    return acquire(name, owner, Set.of(), timeToLive);
  }

  /// Takes or renews a lease for `owner`, or takes it over from one of its `allies`.
  ///
  /// @return whether it is the owner's now; otherwise another holds it, and it has not run out
  public boolean acquire(String name, String owner, Set<String> allies, Duration timeToLive) {
    return writer.inTransaction(handle ->
        handle.execute(
                """
                insert into cluster_lease (name, owner, expires_millis) values (?, ?, %s + ?)
                on conflict (name) do update
                  set owner = excluded.owner, expires_millis = excluded.expires_millis
                  where cluster_lease.owner = excluded.owner
                    or cluster_lease.owner = any (string_to_array(?, ' '))
                    or cluster_lease.expires_millis < %s\
                """
                    .formatted(NOW, NOW),
                name,
                owner,
                timeToLive.toMillis(),
                String.join(" ", allies))
            == 1);
  }

  /// Notes that the cluster has put a node out: one that stood still meanwhile hears of it from
  /// here, however long it stood still.
  ///
  /// @param node one life of a process; the next one has another name
  /// @param timeToLive how long the note is kept
  public void putOut(String node, Duration timeToLive) {
    writer.useTransaction(handle -> {
      handle.execute(
          "delete from cluster_lease where name like ? and expires_millis < %s".formatted(NOW),
          OUT + "%");
      handle.execute(
          """
          insert into cluster_lease (name, owner, expires_millis) values (?, ?, %s + ?)
          on conflict (name) do nothing\
          """
              .formatted(NOW),
          OUT + node,
          node,
          timeToLive.toMillis());
    });
  }

  /// Whether the cluster has put a node out.
  public boolean isOut(String node) {
    return writer.withHandle(handle ->
        handle
            .createQuery("select 1 from cluster_lease where name = ?")
            .bind(0, OUT + node)
            .mapTo(Integer.class)
            .findOne()
            .isPresent());
  }

  /// Gives a lease back; nothing happens where another holds it.
  public void release(String name, String owner) {
    writer.useTransaction(handle ->
        handle.execute("delete from cluster_lease where name = ? and owner = ?", name, owner));
  }
}
