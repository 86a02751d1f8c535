package io.gradus.learner;

import io.gradus.learner.link.Calls;
import io.gradus.learner.link.Inbox;
import io.gradus.learner.publication.CheckpointWriter;
import io.grpc.Channel;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// What the sessions of a learner share.
record LearnerParts(
    Channel channel,
    LearnerConfig config,
    Calls calls,
    Inbox inbox,
    CheckpointWriter writer,
    TrainedPolicy policy,
    LearnerMeters meters,
    BooleanSupplier rolloutsSampling,
    LongSupplier nanoTime) {}
