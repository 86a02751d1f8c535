@NullMarked
package io.gradus.coordinator.run;

import org.jspecify.annotations.NullMarked;
