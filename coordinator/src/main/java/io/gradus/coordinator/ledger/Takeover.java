package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.RunImage;

/// A run after a takeover: the right to write, and the state, read after the epoch was raised.
public record Takeover(Incarnation incarnation, StoredRun run, RunImage image) {}
