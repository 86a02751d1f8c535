package io.gradus.learner;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import java.util.Optional;

/// What led to the weights at hand.
///
/// @param step optimizer steps taken
/// @param batch last batch applied
record Position(long step, Optional<BatchNumber> batch, Lineage lineage) {

  /// That of first weights.
  static Position first() {
    return new Position(0, Optional.empty(), Lineage.root());
  }

  static Position of(Manifest checkpoint) {
    return new Position(checkpoint.step(), checkpoint.batch(), checkpoint.lineage());
  }

  Position after(BatchNumber number, BatchDigest digest, int steps) {
    return new Position(step + steps, Optional.of(number), lineage.after(number, digest));
  }

  /// The batch that comes next.
  BatchNumber next() {
    return batch.map(BatchNumber::next).orElse(new BatchNumber(1));
  }
}
