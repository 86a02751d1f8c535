package io.gradus.coordinator.ledger;

/// A run inside the ledger: its id, and the number that stands for it in every other row.
public record RunKey(String runId, long value) {}
