package io.gradus.core.ledger;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.WorkerId;

/// One lease ever granted.
public record LeaseRow(LeaseId id, GroupId group, WorkerId worker) {}
