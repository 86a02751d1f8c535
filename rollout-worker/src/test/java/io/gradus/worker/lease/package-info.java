@NullMarked
package io.gradus.worker.lease;

import org.jspecify.annotations.NullMarked;
