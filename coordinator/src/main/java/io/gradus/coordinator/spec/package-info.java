/// The run spec as the coordinator understands it: defaults filled in, contradictions named by
/// path, and what of it the decider must know. Starts nothing; the command line uses it before a
/// run.
@NullMarked
package io.gradus.coordinator.spec;

import org.jspecify.annotations.NullMarked;
