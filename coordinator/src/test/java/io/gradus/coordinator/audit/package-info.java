@NullMarked
package io.gradus.coordinator.audit;

import org.jspecify.annotations.NullMarked;
