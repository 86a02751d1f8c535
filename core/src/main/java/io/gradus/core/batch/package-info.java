/// Batches: numbered, bound before they are sent, and never changed afterwards (G3).
@NullMarked
package io.gradus.core.batch;

import org.jspecify.annotations.NullMarked;
