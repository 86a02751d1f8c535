package io.gradus.worker.weights;

/// What bringing weights here has cost so far; every number only rises.
///
/// @param versions versions fetched over the network
/// @param bytes of chunks that were right
/// @param chunksRefused chunks whose digest was wrong
/// @param failures attempts at a version that did not succeed
public record WeightsFigures(long versions, long bytes, long chunksRefused, long failures) {}
