package io.gradus.core.batch;

import io.gradus.core.group.GroupId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.policy.LearnerEpoch;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;

/// The open end of a run's one line of batches: those BOUND or APPLIED, which a learner may ask for
/// (again). Everything before it is settled.
///
/// ```
///  1 … settled │ APPLIED … APPLIED │ BOUND … BOUND │ (next number)
///              └── applied up to ──┘               └ bound
/// ```
///
/// A poisonous batch is VOID and leaves a gap. Gaps are bound anew, the first one first, before
/// anything else.
public final class BatchLine {

  private record Open(BatchRow row, List<Use> uses) {}

  private final TreeMap<Long, Open> open = new TreeMap<>();

  /// A number to be bound anew.
  ///
  /// @param bindings of it so far, all of them void
  /// @param failedBy the last session in which its last binding failed
  private record Gap(int bindings, Optional<LearnerEpoch> failedBy) {}

  /// By number. There is more than one when a learner that goes back to a checkpoint, because of a
  /// poisonous batch, fails on an earlier batch than before.
  private final TreeMap<Long, Gap> gaps = new TreeMap<>();

  private long bound;

  /// @param bound numbers bound so far
  /// @param rows open batches
  /// @param useRows their uses, in order
  /// @param voidBindings bindings of the numbers that have none but void ones
  /// @param learner the newest session
  public BatchLine(
      long bound,
      List<BatchRow> rows,
      List<UseRow> useRows,
      Map<BatchNumber, Integer> voidBindings,
      Optional<LearnerEpoch> learner) {
    this.bound = bound;
    voidBindings.forEach(
        (number, bindings) -> gaps.put(number.value(), new Gap(bindings, learner)));
    Map<Long, List<Use>> uses = new TreeMap<>();
    useRows.forEach(
        use -> uses.computeIfAbsent(use.batch().value(), _ -> new ArrayList<>()).add(use.use()));
    rows.forEach(row ->
        open.put(
            row.number().value(),
            new Open(row, List.copyOf(uses.getOrDefault(row.number().value(), List.of())))));
  }

  /// Numbers bound: the last one is this.
  public long bound() {
    return bound;
  }

  /// Every batch up to this one is settled.
  public long settled() {
    return Math.min(open.isEmpty() ? bound : open.firstKey() - 1, beforeGap());
  }

  private long beforeGap() {
    return gaps.isEmpty() ? Long.MAX_VALUE : gaps.firstKey() - 1;
  }

  /// Every batch up to this one is applied by the live learner, or settled.
  public long applied() {
    long beforeBound =
        open.values().stream()
            .filter(batch -> batch.row.state() == BatchState.BOUND)
            .map(batch -> batch.row.number().value() - 1)
            .findFirst()
            .orElse(bound);
    return Math.min(beforeBound, beforeGap());
  }

  /// Whether every batch before the one to be bound next is applied.
  public boolean isApplied() {
    return applied() == next().value() - 1;
  }

  /// Open batches by number.
  public List<BatchRow> rows() {
    return open.values().stream().map(Open::row).toList();
  }

  /// The open batch of a number.
  public Optional<BatchRow> find(BatchNumber number) {
    return Optional.ofNullable(open.get(number.value())).map(Open::row);
  }

  /// Uses of an open batch, in order.
  public List<Use> uses(BatchNumber number) {
    Open batch = open.get(number.value());
    return batch == null ? List.of() : batch.uses;
  }

  /// Uses of each group in open batches.
  public NavigableMap<GroupId, Integer> openUses() {
    var counts = new TreeMap<GroupId, Integer>();
    open.values()
        .forEach(batch -> batch.uses.forEach(use -> counts.merge(use.group(), 1, Integer::sum)));
    return counts;
  }

  /// The number to be bound next.
  public BatchNumber next() {
    return new BatchNumber(gaps.isEmpty() ? bound + 1 : gaps.firstKey());
  }

  /// Counts bindings of that number, from 1.
  public int nextBinding() {
    return gaps.isEmpty() ? 1 : gaps.firstEntry().getValue().bindings() + 1;
  }

  /// The session in which the binding before that failed: what it says again is about the old one.
  public Optional<LearnerEpoch> nextFailedBy() {
    return gaps.isEmpty() ? Optional.empty() : gaps.firstEntry().getValue().failedBy();
  }

  /// Adds a binding of [#next].
  public void bind(BatchRow row, List<Use> uses) {
    if (!row.number().equals(next()) || row.binding() != nextBinding()) {
      throw new IllegalStateException(
          "batch %d, binding %d is not the next one, which is batch %d, binding %d"
              .formatted(row.number().value(), row.binding(), next().value(), nextBinding()));
    }
    open.put(row.number().value(), new Open(row, List.copyOf(uses)));
    if (gaps.remove(row.number().value()) == null) {
      bound = row.number().value();
    }
  }

  /// Replaces the row of an open batch.
  public void put(BatchRow row) {
    Open batch = open.get(row.number().value());
    if (batch == null) {
      throw new IllegalStateException("batch %d is not open".formatted(row.number().value()));
    }
    open.put(row.number().value(), new Open(row, batch.uses));
  }

  /// Takes a poisonous batch out; its number is bound anew.
  ///
  /// @param failedBy the session in which it failed last
  public List<Use> poison(BatchNumber number, LearnerEpoch failedBy) {
    Open batch = removed(number);
    gaps.put(number.value(), new Gap(batch.row.binding(), Optional.of(failedBy)));
    return batch.uses;
  }

  /// Takes a batch out that is settled, or void because the run is over.
  public List<Use> close(BatchNumber number) {
    return removed(number).uses;
  }

  private Open removed(BatchNumber number) {
    Open batch = open.remove(number.value());
    if (batch == null) {
      throw new IllegalStateException("batch %d is not open".formatted(number.value()));
    }
    return batch;
  }
}
