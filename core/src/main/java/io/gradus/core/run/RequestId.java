package io.gradus.core.run;

/// Joins an input that somebody waits for with the effect that answers it. The shell allots it.
public record RequestId(long value) {}
