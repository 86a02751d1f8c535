/// Shows where a run stands: a redrawn block on a terminal, lines elsewhere, JSON for machines.
///
/// What is shown is computed by pure functions of two progress messages and their times; the shells
/// only move the cursor. A run does not depend on whether anyone looks: nothing here blocks it.
@NullMarked
package io.gradus.cli.progress;

import org.jspecify.annotations.NullMarked;
