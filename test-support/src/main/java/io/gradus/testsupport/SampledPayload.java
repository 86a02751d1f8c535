package io.gradus.testsupport;

import com.google.protobuf.ByteString;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.policy.PolicyVersion;
import java.util.List;

/// A payload as a worker serialized it, and what the edge would read in it.
public record SampledPayload(
    GroupId group,
    LeaseId lease,
    PayloadDigest digest,
    ByteString bytes,
    PolicyVersion oldestVersion,
    List<Outcome> outcomes) {

  public SampledPayload {
    outcomes = List.copyOf(outcomes);
  }
}
