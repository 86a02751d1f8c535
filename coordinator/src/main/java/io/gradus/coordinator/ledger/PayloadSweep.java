package io.gradus.coordinator.ledger;

import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Handle;

/*
 * Group by group, the run sweeps what it decided not to keep. This is about what it keeps: payloads
 * that were trained on. They may go by ranges once nothing can ask for them again, which is decided
 * by the rows alone and never by time: below the oldest group that is open, the oldest that an open
 * batch uses, and the newest so many groups that are to be kept. A group that is final and in no
 * open batch is at or below a durable checkpoint that no rollback passes, so a learner that comes
 * back never asks for it.
 *
 * The deletion is a transaction of the run, behind its fence: an older incarnation drops nothing. On
 * PostgreSQL a partition is dropped whole; a million payloads that are deleted are a million dead
 * rows, and their bytes again, to vacuum. DETACH CONCURRENTLY was rejected: it takes no part in a
 * transaction, so it could not be fenced, and it refuses a table that has a default partition.
 * Dropping locks the payloads for as long as a file needs to be forgotten; who cannot have the lock
 * within a moment gives up and comes again. On SQLite, and of what is in no partition of its own, a
 * small range of rows is deleted at a time.
 */

/// Gives back the room of payloads that nobody can ask for again.
final class PayloadSweep {

  /// Groups whose payloads are deleted in one transaction, where they are not a partition.
  static final long STEP = 1024;

  /// What goes next.
  sealed interface Step {
    /// First group that is still there afterwards.
    long end();

    record Drop(PayloadPartition partition) implements Step {
      @Override
      public long end() {
        return partition.to();
      }
    }

    /// Deletes the payloads of the groups from `from` to before `end`.
    record Delete(long from, long end) implements Step {}
  }

  private PayloadSweep() {}

  /// The next step.
  ///
  /// @param begin everything below is gone
  /// @param floor first group whose payload stays
  /// @param partitions of the run, by group
  static Optional<Step> next(long begin, long floor, List<PayloadPartition> partitions) {
    long end = Math.min(begin + STEP, floor);
    for (PayloadPartition partition : partitions) {
      if (partition.to() <= begin) {
        continue;
      }
      if (partition.from() <= begin) {
        return partition.to() <= floor ? Optional.of(new Step.Drop(partition)) : Optional.empty();
      }
      if (partition.from() <= end) {
        return Optional.of(new Step.Delete(begin, partition.from()));
      }
    }
    return end == begin + STEP ? Optional.of(new Step.Delete(begin, end)) : Optional.empty();
  }

  /// First group of a run whose payload stays.
  ///
  /// @param keep newest groups that stay whatever became of them
  static long floor(Handle handle, long run, long groupsCreated, long keep) {
    long floor = groupsCreated + 1 - keep;
    Optional<Long> open =
        handle
            .createQuery(
                """
                select group_id from rollout_group
                where run_key = ? and state in ('PENDING', 'LEASED', 'ACCEPTED')
                order by group_id limit 1\
                """)
            .bind(0, run)
            .mapTo(Long.class)
            .findOne();
    floor = Math.min(floor, open.orElse(floor));
    List<Long> batches =
        handle
            .createQuery(
                """
                select number from batch where run_key = ? and state in ('BOUND', 'APPLIED')
                order by number\
                """)
            .bind(0, run)
            .mapTo(Long.class)
            .list();
    if (!batches.isEmpty()) {
      // Not min(): its plan could walk through every group that was ever used.
      for (long used :
          handle
              .createQuery(
                  "select group_id from batch_use where run_key = ? and number between ? and ?")
              .bind(0, run)
              .bind(1, batches.getFirst())
              .bind(2, batches.getLast())
              .mapTo(Long.class)
              .list()) {
        floor = Math.min(floor, used);
      }
    }
    return floor;
  }

  /// Where the first payload or the first partition of the run is; `otherwise` where none is.
  static long begin(Handle handle, long run, List<PayloadPartition> partitions, long otherwise) {
    long begin =
        handle
            .createQuery("select group_id from payload where run_key = ? order by group_id limit 1")
            .bind(0, run)
            .mapTo(Long.class)
            .findOne()
            .orElse(otherwise);
    return partitions.isEmpty() ? begin : Math.min(begin, partitions.getFirst().from());
  }

  /// Takes a step, inside the transaction of `handle`, after the fence.
  static void take(Handle handle, long run, Step step) {
    switch (step) {
      case Step.Drop(var partition) -> {
        handle.execute("set local lock_timeout = 100");
        handle.execute("drop table " + partition.table());
      }
      case Step.Delete(var from, var end) ->
          handle.execute(
              "delete from payload where run_key = ? and group_id between ? and ?",
              run,
              from,
              end - 1);
    }
  }
}
