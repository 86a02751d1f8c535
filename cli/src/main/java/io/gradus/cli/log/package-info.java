/// Logging of the process: silent until a run directory is there, then a file in it; a role process
/// logs to its standard error.
@NullMarked
package io.gradus.cli.log;

import org.jspecify.annotations.NullMarked;
