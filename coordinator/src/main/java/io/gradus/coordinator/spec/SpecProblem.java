package io.gradus.coordinator.spec;

/// One thing that is wrong with a spec.
///
/// @param path the field, such as `tasks[0].addition.last_digits`; empty for the whole spec
/// @param message what is wrong, why, and what to do
public record SpecProblem(String path, String message) {}
