package io.gradus.cli;

import picocli.CommandLine.Command;

/// Verbs about runs that coordinators have.
@Command(
    name = "runs",
    description = "Lists, follows and steers the runs that coordinators have.",
    mixinStandardHelpOptions = true,
    subcommandsRepeatable = false)
final class RunsCommand {}
