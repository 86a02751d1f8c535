package io.gradus.core.run;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.policy.VersionLine;
import java.util.Optional;

/// When the newest version is evaluated, what an evaluation leads to, and when the run ends.
final class Goals {

  /// Why the run is to end.
  ///
  /// @param last the version that it ends with; absent: the newest one
  record Ending(RunState state, String reason, Optional<PolicyVersion> last) {}

  private final Books books;
  private final RunPlan plan;
  private Optional<Ending> ending = Optional.empty();

  Goals(Books books) {
    this.books = books;
    this.plan = books.plan;
  }

  /// Set once the run is to end.
  Optional<Ending> ending() {
    return ending;
  }

  /// The run cannot go on.
  void fail(String reason) {
    ending = Optional.of(new Ending(RunState.FAILED, reason, Optional.empty()));
  }

  /// Begins an evaluation of the newest version if one is due.
  void evaluate(Turn turn) {
    Optional<VersionRow> head = books.versions.head().filter(VersionLine::isLive);
    if (head.isEmpty() || !books.isWarm() || books.state != RunState.RUNNING) {
      return;
    }
    long batch = head.get().manifest().batchOrZero();
    if (books.evaluations.isDue(batch, isLast(batch))) {
      turn.write(
          new Write.PutEvaluation(books.evaluations.start(head.get().manifest().version(), batch)));
    }
  }

  /// Without all of its answers an evaluation says nothing; the next one is due soon.
  void abandonEvaluation(Turn turn) {
    books
        .evaluations
        .abandon(books.elapsed)
        .ifPresent(row -> {
          turn.write(new Write.PutEvaluation(row));
          for (GroupRow group : books.groups.open()) {
            if (!group.purpose().isTraining()) {
              books
                  .leases
                  .end(group.id())
                  .ifPresent(held -> books.revoke(turn, held, "the evaluation was given up"));
              books.move(turn, group, GroupState.CANCELLED, StateReason.NONE);
            }
          }
        });
  }

  private boolean isLast(long batch) {
    return plan.stop().batches().filter(last -> last == batch).isPresent();
  }

  /// An evaluation is finished: it may have found a candidate for the target.
  void evaluated(Turn turn, EvaluationRow row) {
    if (books.evaluations.isCandidate(row)) {
      turn.write(new Write.PutEvaluation(books.evaluations.startConfirmation(row)));
    }
  }

  /// Ends the run where it has come to a bound.
  void stop() {
    if (ending.isPresent()) {
      return;
    }
    // In lockstep the version that reached the target may be one whose batches are applied again.
    Optional<EvaluationRow> reached =
        books.evaluations.reached().filter(row -> row.batch() <= books.line.applied());
    if (reached.isPresent()) {
      ending =
          Optional.of(
              new Ending(
                  RunState.COMPLETED,
                  "stop.digits_handled reached: %d digits are handled"
                      .formatted(reached.get().handled()),
                  Optional.of(reached.get().version())));
      return;
    }
    if (plan.stop().wallTime().filter(most -> books.elapsed.compareTo(most) >= 0).isPresent()) {
      ending =
          Optional.of(new Ending(RunState.STOPPED, "stop.wall_time reached", Optional.empty()));
      return;
    }
    Optional<Long> published = books.publishedBatch();
    if (published.filter(this::isLast).isPresent() && books.evaluations.version().isEmpty()) {
      ending = Optional.of(new Ending(RunState.STOPPED, "stop.batches reached", Optional.empty()));
    }
  }
}
