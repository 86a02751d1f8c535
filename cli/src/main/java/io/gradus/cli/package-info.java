/// The `gradus` command: what can be typed, and how each verb ends.
///
/// A verb ends with a status of [ExitStatus]. A person's mistake is told in one message without a
/// stack trace; a stack trace means a defect of Gradus.
@NullMarked
package io.gradus.cli;

import org.jspecify.annotations.NullMarked;
