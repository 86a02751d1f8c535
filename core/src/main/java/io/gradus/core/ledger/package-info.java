/// The rows of the ledger as the decider sees them. The decider writes whole rows and recovers from
/// the same rows; the SQL behind them is the coordinator's.
@NullMarked
package io.gradus.core.ledger;

import org.jspecify.annotations.NullMarked;
