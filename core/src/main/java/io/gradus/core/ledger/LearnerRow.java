package io.gradus.core.ledger;

import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;

/// The newest learner session.
public record LearnerRow(LearnerEpoch epoch, LearnerId learner) {}
