@NullMarked
package io.gradus.core.pool;

import org.jspecify.annotations.NullMarked;
