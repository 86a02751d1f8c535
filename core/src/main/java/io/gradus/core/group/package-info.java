/// Groups, the unit of lease, admission and state: their names, tasks, states and the moves between
/// states. Keeps the table of legal transitions (G1).
@NullMarked
package io.gradus.core.group;

import org.jspecify.annotations.NullMarked;
