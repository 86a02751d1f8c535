package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.policy.PolicyVersion;
import java.util.List;

/// A finished group as a worker sends it.
record Submission(
    GroupId group,
    LeaseId lease,
    PayloadDigest digest,
    PolicyVersion oldestVersion,
    List<Outcome> outcomes) {

  Submission {
    outcomes = List.copyOf(outcomes);
  }
}
