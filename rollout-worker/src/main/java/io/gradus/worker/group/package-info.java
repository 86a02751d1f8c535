/// Turns what was sampled into a group that can be submitted: verdicts, rewards, payload bytes and
/// their digest. A hint is never in the payload's prompt.
@NullMarked
package io.gradus.worker.group;

import org.jspecify.annotations.NullMarked;
