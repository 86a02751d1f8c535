@NullMarked
package io.gradus.learner.run;

import org.jspecify.annotations.NullMarked;
