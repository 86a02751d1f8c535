/// What can be learned from: accepted groups, the units in them, how often each was used, and the
/// draw of a batch. No unit is in more than `max_uses` batches (G3).
@NullMarked
package io.gradus.core.replay;

import org.jspecify.annotations.NullMarked;
