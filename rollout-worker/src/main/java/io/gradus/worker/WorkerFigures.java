package io.gradus.worker;

import java.time.Duration;

/// What a worker has done so far; every number only rises.
///
/// @param batches engine batches
/// @param groups groups sampled and verified
/// @param completions completions sampled
/// @param tokens completion tokens sampled
/// @param right completions found right
/// @param truncated completions cut at their token limit
/// @param versionsLoaded weights loaded
/// @param groupsFailed groups given back for a reason of infrastructure
/// @param submitRetries attempts to submit that were repeated
/// @param sampling time in the engine
/// @param verifying time in verifiers and serialization
/// @param loading time loading weights
/// @param idle time without work
/// @param blocked time with finished groups that could not be handed over yet
public record WorkerFigures(
    long batches,
    long groups,
    long completions,
    long tokens,
    long right,
    long truncated,
    long versionsLoaded,
    long groupsFailed,
    long submitRetries,
    Duration sampling,
    Duration verifying,
    Duration loading,
    Duration idle,
    Duration blocked) {}
