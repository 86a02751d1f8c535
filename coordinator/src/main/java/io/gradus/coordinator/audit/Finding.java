package io.gradus.coordinator.audit;

/// One thing that is wrong.
///
/// @param rule that is broken, such as `max-uses`
/// @param row where, such as `batch 17`
/// @param message what was found, and what was expected
public record Finding(String rule, String row, String message) {}
