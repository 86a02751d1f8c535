/// The learner's side of the LearnerService: calls that are repeated until they are answered, the
/// stream that brings batches, and the reports and publications that go out strictly in order. All
/// of it outlives a coordinator that goes away for a while.
@NullMarked
package io.gradus.learner.link;

import org.jspecify.annotations.NullMarked;
