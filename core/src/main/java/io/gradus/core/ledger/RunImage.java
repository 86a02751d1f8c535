package io.gradus.core.ledger;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What recovery reads: nothing that grows with the age of a run.
///
/// @param run the run row; absent for a run that never committed
/// @param openGroups groups in a state that is not final
/// @param leases all leases of those groups
/// @param openBatches batches BOUND or APPLIED, by number
/// @param openUses uses of those batches, by number and ordinal
/// @param useCounts for each open group, uses in batches that are not VOID, by member
///   ([io.gradus.core.batch.Use#WHOLE_GROUP] for whole groups)
/// @param voidBindings bindings of the numbers that have none but void ones, and are to be bound
///   anew
/// @param settledUses open groups that have a use in a settled batch
/// @param versions versions not deleted, and those that an open group names
/// @param strata one row a stratum
/// @param evaluations the unfinished ones and the newest finished of each kind
public record RunImage(
    Optional<RunRow> run,
    List<GroupRow> openGroups,
    List<LeaseRow> leases,
    List<BatchRow> openBatches,
    List<UseRow> openUses,
    Map<BatchNumber, Integer> voidBindings,
    Map<GroupId, Map<Integer, Integer>> useCounts,
    List<GroupId> settledUses,
    List<VersionRow> versions,
    List<StratumRow> strata,
    List<EvaluationRow> evaluations,
    Optional<LearnerRow> learner) {

  /// A run that was just submitted.
  public static RunImage empty() {
    return new RunImage(
        Optional.empty(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        Optional.empty());
  }
}
