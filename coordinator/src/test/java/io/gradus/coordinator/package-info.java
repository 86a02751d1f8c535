@NullMarked
package io.gradus.coordinator;

import org.jspecify.annotations.NullMarked;
