/// The pools of workers: an entity each, with soft state, that says which run gets how many slots
/// of which worker.
@NullMarked
package io.gradus.coordinator.pool;

import org.jspecify.annotations.NullMarked;
