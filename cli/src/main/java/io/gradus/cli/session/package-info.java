/// One process's work on a run: the roles in this JVM, the watch on them, and the ending.
///
/// One thread follows the run. Progress, signals and the death of a role reach it as events in one
/// bounded queue, so that what happens at the end happens in one order, once.
@NullMarked
package io.gradus.cli.session;

import org.jspecify.annotations.NullMarked;
