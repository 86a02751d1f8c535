package io.gradus.cli;

import picocli.CommandLine.Command;

/// Verbs about the ledger of a run.
@Command(
    name = "ledger",
    description = "Answers questions about what a run recorded.",
    mixinStandardHelpOptions = true,
    subcommandsRepeatable = false)
final class LedgerCommand {}
