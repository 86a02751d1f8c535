@NullMarked
package io.gradus.coordinator.pool;

import org.jspecify.annotations.NullMarked;
