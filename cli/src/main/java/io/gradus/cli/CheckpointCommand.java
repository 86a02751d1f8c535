package io.gradus.cli;

import picocli.CommandLine.Command;

/// Verbs about checkpoints.
@Command(
    name = "checkpoint",
    description = "Looks into checkpoints.",
    mixinStandardHelpOptions = true)
final class CheckpointCommand {}
