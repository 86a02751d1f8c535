/// What nodes say to each other.
@NullMarked
package io.gradus.coordinator.wire;

import org.jspecify.annotations.NullMarked;
