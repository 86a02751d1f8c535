@NullMarked
package io.gradus.learner.chunks;

import org.jspecify.annotations.NullMarked;
