package io.gradus.core.ledger;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.Use;

/// One use in one binding of a batch.
///
/// @param ordinal position in the batch, from 0
public record UseRow(BatchNumber batch, int binding, int ordinal, Use use) {}
