/// Random numbers of a run as a pure function of its seed and a counter, so that a new incarnation
/// goes on exactly where the last commit left off.
@NullMarked
package io.gradus.core.random;

import org.jspecify.annotations.NullMarked;
