@NullMarked
package io.gradus.coordinator.cluster;

import org.jspecify.annotations.NullMarked;
