package io.gradus.core.batch;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;

/// One unit in one batch: a group, or one trajectory of it.
///
/// @param member the trajectory, or [#WHOLE_GROUP]
/// @param probability with which this draw fell on this unit; 1 where nothing was drawn
/// @param passRate share of the group's trajectories that are right
/// @param staleness batches bound since the version of the group's oldest token
/// @param tokens completion tokens that carry loss
public record Use(
    GroupId group,
    LeaseId lease,
    int member,
    double probability,
    double passRate,
    int staleness,
    int tokens) {

  public static final int WHOLE_GROUP = -1;

  public Use {
    if (member < WHOLE_GROUP
        || !(probability > 0 && probability <= 1)
        || !(passRate >= 0 && passRate <= 1)
        || staleness < 0
        || tokens < 0) {
      throw new IllegalArgumentException(
          "use of %s, member %d, with probability %s, pass rate %s, staleness %d, %d tokens"
              .formatted(group, member, probability, passRate, staleness, tokens));
    }
  }
}
