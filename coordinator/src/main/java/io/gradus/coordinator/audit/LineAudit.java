package io.gradus.coordinator.audit;

import io.gradus.core.batch.BatchState;
import io.gradus.core.ledger.BatchRow;
import java.util.Optional;

/*
 *  1 … settled │ APPLIED … APPLIED │ BOUND … BOUND
 *
 * A number whose bindings are all void is to be bound anew: it stands where a bound batch may stand.
 */

/// Checks that batches form one line, and that each number has one binding that counts.
final class LineAudit {

  /// Stretches of the line, in their order.
  private enum Stretch {
    SETTLED,
    APPLIED,
    BOUND
  }

  private final AuditedRun run;
  private long number;
  private int binding;
  private Optional<BatchState> newest = Optional.empty();
  private Stretch reached = Stretch.SETTLED;
  private long reachedAt;
  private long settled;

  LineAudit(AuditedRun run) {
    this.run = run;
  }

  /// The next binding, by number, then by binding.
  ///
  /// @param batch empty where it cannot be read
  void follow(String name, long nextNumber, int nextBinding, Optional<BatchRow> batch) {
    if (nextNumber != number) {
      closeNumber();
      if (nextNumber != number + 1) {
        missing(number + 1, nextNumber - 1);
      }
      number = nextNumber;
      binding = 0;
      newest = Optional.empty();
    }
    if (nextBinding != binding + 1) {
      run.findings()
          .add(
              Rule.BATCHES_WITHOUT_HOLES,
              name,
              "follows binding %d; the bindings of a number are numbered 1 to n",
              binding);
    }
    if (newest.filter(state -> state != BatchState.VOID).isPresent()) {
      run.findings()
          .add(
              Rule.ONE_BINDING_PER_NUMBER,
              "batch " + number,
              "binding %d is %s, but it was bound anew",
              binding,
              newest.get());
    }
    binding = nextBinding;
    newest = batch.map(BatchRow::state);
    batch.ifPresent(row -> check(name, row));
  }

  private void check(String name, BatchRow batch) {
    if (batch.state() == BatchState.VOID && batch.reason().isEmpty()) {
      run.findings().add(Rule.BATCH_LINE, name, "is VOID without a reason");
    }
    boolean isOpen = batch.state() == BatchState.BOUND || batch.state() == BatchState.APPLIED;
    if (isOpen && run.row().state().isFinal()) {
      run.findings()
          .add(
              Rule.ENDED_RUN_IS_CLOSED,
              name,
              "is %s, but the run is %s",
              batch.state(),
              run.row().state());
    }
  }

  private void missing(long from, long to) {
    run.findings()
        .add(
            Rule.BATCHES_WITHOUT_HOLES,
            from == to ? "batch " + from : "batches %d to %d".formatted(from, to),
            "missing; batches are numbered 1 to n without holes");
  }

  private void closeNumber() {
    if (number == 0 || newest.isEmpty()) {
      return;
    }
    Stretch stretch =
        switch (newest.get()) {
          case SETTLED -> Stretch.SETTLED;
          case APPLIED -> Stretch.APPLIED;
          case BOUND, VOID -> Stretch.BOUND;
        };
    if (stretch.compareTo(reached) < 0) {
      run.findings()
          .add(
              Rule.BATCH_LINE,
              "batch " + number,
              "is %s, but batch %d before it is only %s",
              newest.get(),
              reachedAt,
              reached);
    } else if (stretch != reached) {
      reached = stretch;
      reachedAt = number;
    }
    if (stretch == Stretch.SETTLED) {
      settled = number;
    }
  }

  void finish() {
    closeNumber();
    long bound = run.row().batchesBound();
    if (number < bound) {
      missing(number + 1, bound);
    } else {
      run.findings().expect(Rule.RUN_COUNTS, "run", "batches_bound", bound, number);
    }
  }

  /// The last batch that is settled.
  long settled() {
    return settled;
  }
}
