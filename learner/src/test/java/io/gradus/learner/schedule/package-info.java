@NullMarked
package io.gradus.learner.schedule;

import org.jspecify.annotations.NullMarked;
