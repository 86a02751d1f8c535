package io.gradus.coordinator.ledger;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Handle;

/// A table of the payloads of one run, on PostgreSQL: groups from `from` to before `to`.
record PayloadPartition(long run, long from, long to) {

  /// Groups of one partition, at 8 KiB a payload 2 GiB: few enough tables for a run of weeks, and
  /// small enough steps to give back.
  static final long SPAN = 1L << 18;

  private static final Pattern NAME = Pattern.compile("payload_(\\d+)_(\\d+)_(\\d+)");

  /// The partition of a group.
  static PayloadPartition of(long run, long group) {
    long from = group / SPAN * SPAN;
    return new PayloadPartition(run, from, from + SPAN);
  }

  String table() {
    return "payload_%d_%d_%d".formatted(run, from, to);
  }

  /// Those of a run that are attached, by group.
  static List<PayloadPartition> of(Handle handle, long run) {
    return handle
        .createQuery(
            """
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = to_regclass('payload') and c.relname like ?\
            """)
        .bind(0, "payload\\_%d\\_%%".formatted(run))
        .mapTo(String.class)
        .list()
        .stream()
        .flatMap(name -> parse(name).stream())
        .sorted(Comparator.comparingLong(PayloadPartition::from))
        .toList();
  }

  private static Optional<PayloadPartition> parse(String table) {
    Matcher name = NAME.matcher(table);
    return name.matches()
        ? Optional.of(
            new PayloadPartition(
                Long.parseLong(name.group(1)),
                Long.parseLong(name.group(2)),
                Long.parseLong(name.group(3))))
        : Optional.empty();
  }
}
