/// The directory of a run: its names, its lock, and the checks before anything is written.
///
/// One process at a time works in a run directory. The lock is the operating system's, so that it
/// goes with the process that held it, however that ended.
@NullMarked
package io.gradus.cli.rundir;

import org.jspecify.annotations.NullMarked;
