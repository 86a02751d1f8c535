/// The one decider of a run: `(state, input) → (state, writes, effects)`. Time and randomness are
/// inputs. The shell appends the writes to a commit and releases the effects only after it; after a
/// failed commit it drops the decider and recovers a new one from the ledger.
@NullMarked
package io.gradus.core.run;

import org.jspecify.annotations.NullMarked;
