/// Sampling completions: batches of prompts of equal length, a cache of keys and values, and noise
/// that belongs to a request rather than to a batch.
@NullMarked
package io.gradus.policy.sampling;

import org.jspecify.annotations.NullMarked;
