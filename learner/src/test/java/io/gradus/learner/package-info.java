@NullMarked
package io.gradus.learner;

import org.jspecify.annotations.NullMarked;
