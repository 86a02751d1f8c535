/// Evaluation: greedy answers to fixed problems by stratum, and what they say.
@NullMarked
package io.gradus.core.evaluation;

import org.jspecify.annotations.NullMarked;
