/// Reads a run spec, or the settings of a process, from YAML, strictly, and writes one back.
///
/// The schema is the descriptor of a message, such as `gradus.run.v1.RunSpec`, and its
/// protovalidate constraints; there is no second list of fields here. The invariant: a file is
/// either read whole, or refused with every fault found, each naming where it is, what was
/// expected, and what to write instead. Input is hostile until shown otherwise: size, depth and the
/// number of faults are bounded, and aliases, with which a small file becomes a large one, are
/// refused.
@NullMarked
package io.gradus.cli.spec;

import org.jspecify.annotations.NullMarked;
