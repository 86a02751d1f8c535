/// One role of Gradus as a process of its own: its settings, its life, its end.
///
/// A process begins with settings that were checked whole, says on its health service how it is,
/// and ends in good order when it is asked to. What it cannot mend by itself it says in one line
/// before it ends for its supervisor; a peer that is away is nothing of that kind.
@NullMarked
package io.gradus.cli.role;

import org.jspecify.annotations.NullMarked;
