/// How fast the learner learns when: the learning rate as a pure function of a batch's place in the
/// run, so that a resumed run goes on where it was.
@NullMarked
package io.gradus.learner.schedule;

import org.jspecify.annotations.NullMarked;
