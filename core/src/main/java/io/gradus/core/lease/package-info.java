/// Who works on which group until when. A lease schedules work, it does not guard writes: what is
/// admitted is decided by the group's state (G7). Deadlines are monotonic time of one incarnation.
@NullMarked
package io.gradus.core.lease;

import org.jspecify.annotations.NullMarked;
