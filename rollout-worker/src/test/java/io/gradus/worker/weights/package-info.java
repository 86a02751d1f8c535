@NullMarked
package io.gradus.worker.weights;

import org.jspecify.annotations.NullMarked;
