@NullMarked
package io.gradus.learner.publication;

import org.jspecify.annotations.NullMarked;
