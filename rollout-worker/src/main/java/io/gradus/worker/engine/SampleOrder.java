package io.gradus.worker.engine;

/// One completion to sample.
///
/// The arrays of an engine call are shared and never written: copying them per member would be most
/// of the cost of a short completion.
///
/// @param promptIds token ids that the completion follows
/// @param group id of the group, for the random numbers
/// @param member index in the group, for the random numbers
/// @param maxTokens most tokens of the completion, EOS included
@SuppressWarnings("ArrayRecordComponent")
public record SampleOrder(int[] promptIds, long group, int member, int maxTokens) {}
