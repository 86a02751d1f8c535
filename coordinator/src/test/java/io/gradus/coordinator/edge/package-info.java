@NullMarked
package io.gradus.coordinator.edge;

import org.jspecify.annotations.NullMarked;
