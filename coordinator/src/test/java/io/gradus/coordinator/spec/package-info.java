@NullMarked
package io.gradus.coordinator.spec;

import org.jspecify.annotations.NullMarked;
