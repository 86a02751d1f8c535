/// The rollout worker: samples leased groups with the newest weights, verifies them, and submits
/// them. It keeps nothing that a crash may not take: every group is leased, and what is not
/// acknowledged is sampled again by somebody.
@NullMarked
package io.gradus.worker;

import org.jspecify.annotations.NullMarked;
