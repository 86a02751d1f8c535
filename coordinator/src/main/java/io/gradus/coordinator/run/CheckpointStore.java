package io.gradus.coordinator.run;

import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import java.util.Set;

/// Where learners put checkpoints. Calls may block.
public interface CheckpointStore {

  /// The directory of a run's checkpoints.
  String uriOf(String runId);

  /// Deletes the directory of a version that no row needs any more; nothing where it is gone.
  void delete(String runId, VersionRow version);

  /// Deletes what learner sessions before `epoch` left behind without telling the ledger.
  ///
  /// @param named URIs that the ledger names, which stay
  void sweep(String runId, Set<String> named, LearnerEpoch epoch);
}
