@NullMarked
package io.gradus.learner.objective;

import org.jspecify.annotations.NullMarked;
