package io.gradus.coordinator.audit;

import java.util.Locale;

/// What must hold of the rows of a run.
enum Rule {
  /// Every column holds something that a decider could have written.
  ROW_IS_READABLE,
  /// The ledger can be read to its end.
  LEDGER_IS_READABLE,
  /// The effective spec of the run is there.
  SPEC_IS_READABLE,
  /// The run row counts what is there.
  RUN_COUNTS,
  /// A run that is over has no open group and no open batch.
  ENDED_RUN_IS_CLOSED,

  /// Groups are numbered 1..n.
  GROUPS_WITHOUT_HOLES,
  /// A group is in one state, with what that state requires.
  LEGAL_STATE,
  /// Transitions are those of the table, and entries less exits of a state are the groups in it.
  TRANSITIONS_BALANCE,
  /// Every row of a group has its group.
  GROUP_IS_THERE,
  /// What was admitted is what the group may hold.
  LEGAL_OUTCOMES,
  /// Leases are granted once, in order, each for one group.
  LEASE_BELONGS,
  /// A task is sampled once, and the counters of its stratum are beyond it.
  TASK_ONCE,

  /// The payload of a group that may still be trained on is there.
  PAYLOAD_IS_THERE,
  /// Its digest is the SHA-256 of its bytes, and the one that was admitted.
  PAYLOAD_DIGEST,
  /// It says what was admitted.
  PAYLOAD_AGREES,
  /// Nothing but the task's own prompt is trained on.
  PROMPT_WITHOUT_HINT,

  /// Batches are numbered 1..n, their bindings 1..m.
  BATCHES_WITHOUT_HOLES,
  /// Of the bindings of a number only the newest can be other than void.
  ONE_BINDING_PER_NUMBER,
  /// Settled batches come first, then those applied, then those bound.
  BATCH_LINE,
  /// A batch is where the plan of the run has it.
  BATCH_PLACE,
  /// The digest of a batch covers what it holds.
  BATCH_DIGEST,
  /// Counts of a batch are those of its uses.
  BATCH_COUNTS,
  /// A batch was worth as many optimizer steps as the plan says.
  BATCH_STEPS,
  /// Gold text is as easy as the warm-up of the plan, and shown once.
  GOLD_TEXT,

  /// Uses are numbered 0..n-1.
  USES_WITHOUT_HOLES,
  /// A use is of something that was admitted and carries signal.
  USE_IS_LEGAL,
  /// No unit is in more batches than the plan allows.
  MAX_USES,
  /// The state of a group fits its uses.
  STATE_FITS_USES,

  /// Versions are numbered 1..n.
  VERSIONS_WITHOUT_HOLES,
  /// A version descends from an older one.
  VERSION_DESCENDS,
  /// Its lineage is the hash chain over the batches that led to it.
  LINEAGE,
  /// Its steps are those of these batches.
  VERSION_STEPS,
  /// Nothing is settled beyond a durable checkpoint.
  SETTLED_IS_DURABLE,
  /// Learner sessions are numbered 1..n.
  SESSIONS_WITHOUT_HOLES,

  /// An evaluation counts the answers that are there.
  EVALUATION_AGREES;

  /// As people write it, such as `max-uses`.
  String inWords() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
