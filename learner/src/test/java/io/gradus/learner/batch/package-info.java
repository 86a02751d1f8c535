@NullMarked
package io.gradus.learner.batch;

import org.jspecify.annotations.NullMarked;
