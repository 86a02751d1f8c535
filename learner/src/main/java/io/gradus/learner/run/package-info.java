/// What the learner knows of a run: the parts of its effective spec that learning needs.
@NullMarked
package io.gradus.learner.run;

import org.jspecify.annotations.NullMarked;
