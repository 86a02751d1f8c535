@NullMarked
package io.gradus.learner.link;

import org.jspecify.annotations.NullMarked;
