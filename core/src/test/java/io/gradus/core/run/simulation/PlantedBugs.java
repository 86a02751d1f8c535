package io.gradus.core.run.simulation;

import java.util.List;
import java.util.stream.Stream;

/// One bug, at least, for each sentence of section 3 of the design that the decider carries.
final class PlantedBugs {

  private PlantedBugs() {}

  static List<PlantedBug> all() {
    return Stream.of(groups(), payloads(), batches(), pace(), verdicts(), records(), recovery())
        .flatMap(List::stream)
        .toList();
  }

  /// G1: Every group ends in exactly one recorded state.
  private static List<PlantedBug> groups() {
    return List.of(
        new PlantedBug(
            "leaves pending groups open at the end",
            "G1: every group ends in exactly one recorded state",
            "run/RunDecider",
"""
      } else {
        books.leases.end(group.id());
        books.move(turn, group, GroupState.CANCELLED, StateReason.NONE);
      }\
""",
"""
      } else if (group.state() != GroupState.PENDING) {
        books.leases.end(group.id());
        books.move(turn, group, GroupState.CANCELLED, StateReason.NONE);
      }\
"""),
        new PlantedBug(
            "cancels groups that were trained",
            "G1: TRAINED has a use in a settled batch",
            "run/RunDecider",
            "group.state() == GroupState.ACCEPTED && books.settledUses.contains(group.id())",
            "group.state() == GroupState.TRAINED"),
        new PlantedBug(
            "puts evaluation groups into replay",
            "G1: evaluation groups end EVALUATED and never enter replay",
            "run/Rollouts",
"""
return group.purpose().isTraining()
        ? train(\
""",
"""
return group.id().value() > 0
        ? train(\
"""),
        new PlantedBug(
            "numbers groups with holes",
            "G1: groups are numbered 1..n without holes",
            "group/GroupBook",
"""
    created++;
    var row =\
""",
"""
    created += created % 5 == 4 ? 2 : 1;
    var row =\
"""),
        new PlantedBug(
            "calls groups stale that were trained",
            "G1: TRAINED has left replay and has a use in a settled batch",
            "run/Batches",
"""
        books.settledUses.add(id);
""",
            ""),
        new PlantedBug(
            "calls groups trained while a batch is open",
            "G1: TRAINED has no use in an open batch",
            "run/Books",
            "if (openUses.containsKey(id)) {",
            "if (openUses.containsKey(id) && !settledUses.contains(id)) {"),
        new PlantedBug(
            "closes groups with half of their members",
            "G1: a group closes at n of at least three quarters of G",
            "run/Rollouts",
            "return (3 * group.size() + 3) / 4;",
            "return (2 * group.size() + 3) / 4;"),
        new PlantedBug(
            "leases a group without end",
            "G1: sampled again a bounded number of times",
            "run/Rollouts",
            "return group.attempts() < plan.rollout().maxAttempts();",
            "return group.attempts() <= plan.rollout().maxAttempts();"),
        new PlantedBug(
            "samples a poisonous task for ever",
            "G1: a task that kills its workers is set aside",
            "run/Rollouts",
            "fail(turn, group, StateReason.POISON_TASK);",
            "wait(turn, group, StateReason.SUSPECT);"),
        new PlantedBug(
            "condemns every suspect of a lost worker",
            "G1: a group that shared a worker with a poisonous task is not taken for it",
            "run/Rollouts",
            "suspectsIn(lost).size() == 1;",
            "suspectsIn(lost).size() >= 1;"),
        new PlantedBug(
            "grants all suspects to one worker",
            "G1: suspects are granted few at a time",
            "run/Rollouts",
            "return there.size() < room;",
            "return there.size() < room + 1;"),
        new PlantedBug(
            "blames a group for a worker that only opened another stream",
            "G1: a worker is lost when its stream has ended for good",
            "run/Rollouts",
            "boolean isBlamed = departure == Input.Departure.LOST;",
            "boolean isBlamed = true;"),
        new PlantedBug(
            "forgets lost workers with the next lease",
            "G1: workers lost with a group are counted over its leases",
            "group/GroupBook",
            "row.reason().blames() ? row.reason() : StateReason.NONE",
            "StateReason.NONE"),
        new PlantedBug(
            "does not count creations",
            "G1: the run row keeps a count of every transition",
            "group/GroupBook",
"""
    transitions.merge(NOTHING + ">" + GroupState.LEASED, 1L, Long::sum);
""",
            ""),
        new PlantedBug(
            "counts some transitions twice",
            "G1: the residual is 0",
            "group/GroupBook",
            "    transitions.merge(row.state() + \">\" + name(state, reason), 1L, Long::sum);",
"""
    transitions.merge(
        row.state() + ">" + name(state, reason), state == GroupState.PENDING ? 2L : 1L, Long::sum);\
"""),
        new PlantedBug(
            "forgets counts in a new incarnation",
            "G1: maintained in each commit",
            "group/GroupBook",
            "this.transitions = new TreeMap<>(transitions);",
            "this.transitions = new TreeMap<>();"),
        new PlantedBug(
            "leaves the run row out",
            "G1: the run row is maintained in each commit",
            "run/Turn",
"""
    writes.add(write);
    runChanged = true;\
""",
            "    writes.add(write);"));
  }

  /// G2: Acknowledged means durable.
  private static List<PlantedBug> payloads() {
    return List.of(
        new PlantedBug(
            "admits without the payload",
            "G2: the admitting statement requires the row",
            "run/Rollouts",
"""
    turn.write(new Write.RequirePayload(group.id(), submitted.lease(), submitted.digest()));
""",
            ""),
        new PlantedBug(
            "admits under another lease than the one that submitted",
            "G2: payloads are keyed by (group, lease)",
            "run/Rollouts",
"""
    return new GroupRow.Admitted(
        submitted.lease(), submitted.digest()\
""",
"""
    return new GroupRow.Admitted(
        new io.gradus.core.group.LeaseId(submitted.group().value()), submitted.digest()\
"""),
        new PlantedBug(
            "sweeps payloads that an open batch needs",
            "G2: the run sweeps payloads, never by age",
            "run/Books",
            "if (!openUses.containsKey(group)) {",
            "if (group.value() > 0) {"));
  }

  /// G3: Each batch is applied exactly once in the lineage of every published policy.
  private static List<PlantedBug> batches() {
    return List.of(
        new PlantedBug(
            "sends a batch that is not written",
            "G3: a batch is bound before it is sent",
            "run/Batches",
"""
    turn.write(new Write.PutBatch(row));
    if (!uses.isEmpty()) {\
""",
            "    if (!uses.isEmpty()) {"),
        new PlantedBug(
            "leaves uses out of the ledger",
            "G3: every use is a row",
            "run/Batches",
            "rowsOf(row, uses)));",
            "rowsOf(row, uses.subList(0, (uses.size() + 1) / 2))));"),
        new PlantedBug(
            "settles at the newest durable checkpoint",
            "G3: settled is at or below a durable checkpoint that no learner goes back behind",
            "policy/VersionLine",
            ".skip(DURABLE_KEPT - 1)",
            ".skip(0)"),
        new PlantedBug(
            "leaves batches applied on a rollback",
            "G3: APPLIED returns to BOUND on a rollback",
            "run/Batches",
            "if (row.number().value() > batch && row.state() == BatchState.APPLIED) {",
            "if (row.number().value() > batch + 1 && row.state() == BatchState.APPLIED) {"),
        new PlantedBug(
            "skips a batch after a restart",
            "G3: a learner gets the very same batches k+1, k+2 by number",
            "run/LearnerSessions",
            "new BatchNumber(from + 1),",
            "new BatchNumber(Math.max(from, books.line.applied()) + 1 + (from > 0 ? 1 : 0)),"),
        new PlantedBug(
            "gives the newest checkpoint, durable or not",
            "G3: a learner restarts from a durable checkpoint",
            "policy/VersionLine",
            ".filter(row -> row.manifest().durable() && !row.deleted() && isLive(row))",
            ".filter(row -> !row.deleted() && isLive(row))"),
        new PlantedBug(
            "believes any lineage",
            "G3: lineage is recomputed",
            "run/Publications",
            "if (!expected.equals(manifest.lineage())) {",
            "if (expected.hex().isEmpty()) {"),
        new PlantedBug(
            "believes any batch of a publication",
            "G3: each batch is in the lineage of a version exactly once",
            "run/Publications",
            "if (manifest.batchOrZero() != books.line.applied()) {",
            "if (manifest.batchOrZero() > books.line.bound()) {"),
        new PlantedBug(
            "lets batches be applied out of order",
            "G3: batches form one line",
            "run/Batches",
            "if (row.number().value() != books.line.applied() + 1) {",
            "if (row.number().value() < books.line.applied()) {"),
        new PlantedBug(
            "lets other contents be applied",
            "G3: a learner reports the digest of what it applied",
            "run/Batches",
            "if (!row.digest().equals(applied.digest())) {",
            "if (row.digest().hex().isEmpty()) {"),
        new PlantedBug(
            "refuses repeated reports",
            "G3: reports are idempotent",
            "run/Batches",
"""
    if (row.state() == BatchState.APPLIED) {
      turn.effect(new Effect.Acknowledge(applied.request()));
      return;
    }
""",
            ""),
        new PlantedBug(
            "uses units once too often",
            "G3: a unit is in at most max_uses batches, enforced at binding",
            "replay/Replay",
            "if (unit.uses >= plan.replay().maxUses()) {",
            "if (unit.uses > plan.replay().maxUses()) {"),
        new PlantedBug(
            "forgets uses in a new incarnation",
            "G3: at most max_uses batches, whoever binds",
            "replay/Replay",
            "int used = uses.getOrDefault(member, 0);",
            "int used = 0;"),
        new PlantedBug(
            "uses trajectories that are wrong",
            "G3: the unit is the verified trajectory for expert iteration",
            "replay/Replay",
            "return outcome.verdict() == Verdict.RIGHT && outcome.tokens() > 0;",
            "return outcome.tokens() > 0;"),
        new PlantedBug(
            "gives a batch up after two failures",
            "G3: a batch that fails in three learner sessions is void",
            "run/Batches",
            "private static final int MOST_FAILURES = 3;",
            "private static final int MOST_FAILURES = 2;"),
        new PlantedBug(
            "counts a failure as often as it is reported",
            "G3: three sessions, not three reports",
            "run/Batches",
            "if (open.failedBy().filter(epoch::equals).isPresent()) {",
            "if (open.failures() < 0) {"),
        new PlantedBug(
            "draws from groups of a poisonous batch",
            "G3: the groups of a poisonous batch fail",
            "run/Batches",
"""
      books.replay.drop(id);
      books
""",
"""
      books
"""),
        new PlantedBug(
            "leaves the groups of a poisonous batch open",
            "G3: its groups are FAILED(POISON_BATCH)",
            "run/Batches",
            "group -> books.move(turn, group, GroupState.FAILED, StateReason.POISON_BATCH)",
            "group -> {}"),
        new PlantedBug(
            "leaves out the number of a poisonous batch",
            "G3: its number is bound anew",
            "batch/BatchLine",
"""
    gaps.put(number.value(), new Gap(batch.row.binding(), Optional.of(failedBy)));
""",
            ""),
        new PlantedBug(
            "does not count a batch that kills the learner",
            "G3: a batch that fails in three learner sessions is void",
            "run/LearnerSessions",
            "Optional<Goals.Ending> ending = batches.endedWith(turn, there.get());",
            "Optional<Goals.Ending> ending = Optional.empty();"),
        new PlantedBug(
            "binds poisonous batches for ever",
            "G3: three in a row fail the run",
            "run/Batches",
            "if (row.binding() >= MOST_FAILURES) {",
            "if (row.binding() > MOST_FAILURES) {"),
        new PlantedBug(
            "binds one batch beyond stop",
            "G3: nothing is bound beyond stop",
            "run/Books",
            "filter(last -> line.next().value() > last)",
            "filter(last -> line.next().value() > last + 1)"),
        new PlantedBug(
            "ends a run with open batches",
            "G3: open batches are void when a run ends",
            "run/Batches",
"""
      turn.write(new Write.PutBatch(row.voided("the run ended")));
""",
            ""),
        new PlantedBug(
            "shows gold text twice",
            "G3: warm-up batches name generator, version, seed and range",
            "batch/BatchPlace",
            "(number.value() - 1) * warmUp.sequences(),",
            "(number.value() / 2) * warmUp.sequences(),"),
        new PlantedBug(
            "binds a number anew that was only rolled back",
            "G3: a binding never changes",
            "run/Batches",
            "        BatchRow again = row.boundAgain();",
            "        BatchRow again = row.voided(\"the run ended\");"),
        new PlantedBug(
            "does not publish as often as it should",
            "G3: publications fall between batches, every n of them",
            "batch/BatchPlace",
            "boolean publishes = isDurable || index % plan.publication().every() == 0;",
            "boolean publishes = isDurable || index % (plan.publication().every() + 1) == 0;"),
        new PlantedBug(
            "hears an older learner session",
            "G3: an older epoch is fenced",
            "run/LearnerSessions",
"""
    if (session.isEmpty()) {
      turn.refuse(\
""",
"""
    if (session.isEmpty() && books.learner.isPresent()) {
      return true;
    }
    if (session.isEmpty()) {
      turn.refuse(\
"""),
        new PlantedBug(
            "forgets a gap in a new incarnation",
            "G3: its number is bound anew, whoever binds",
            "batch/BatchLine",
            "gaps.put(number.value(), new Gap(bindings, learner))",
            "{}"),
        new PlantedBug(
            "stops one batch too early",
            "G3: a run ends at its bounds",
            "run/Goals",
            "return plan.stop().batches().filter(last -> last == batch).isPresent();",
            "return plan.stop().batches().filter(last -> last <= batch + 1).isPresent();"));
  }

  /// G4: Bounded staleness by admission.
  private static List<PlantedBug> pace() {
    return List.of(
        new PlantedBug(
            "grants one batch too much",
            "G4: capacity is B (b_v + eta + 1 - bound) - (waiting + running)",
            "run/Rollouts",
"""
                    + plan.rollout().maxStaleness()
                    + 1
""",
"""
                    + plan.rollout().maxStaleness()
                    + 2
"""),
        new PlantedBug(
            "does not count what runs",
            "G4: capacity leaves out waiting and running groups",
            "run/Rollouts",
            "yield plan.batch().units() * ahead - books.replay.size() - running;",
            "yield plan.batch().units() * ahead - books.replay.size();"),
        new PlantedBug(
            "grants more than concurrency",
            "G4: capacity is at most maxConcurrent - running",
            "run/Rollouts",
            "return Math.max(0, plan.rollout().concurrency() - books.leases.size());",
            "return Math.max(0, plan.rollout().concurrency() + 1 - books.leases.size());"),
        new PlantedBug(
            "lets rollouts of expert iteration run ahead",
            "G4: whoever is ahead waits",
            "run/Rollouts",
            "Math.ceil((mostAhead() - batches.unitsAhead()) / groupSize())",
            "Math.ceil((2 * mostAhead() - batches.unitsAhead()) / groupSize())"),
        new PlantedBug(
            "binds batches that are not paid for",
            "G4: an accepted unit pays for its draws, which paces the learner",
            "run/Batches",
            "isRebinding() || unitsAhead() * plan.replay().drawsPerSample() >= units();",
            "isRebinding() || unitsAhead() >= 0;"),
        new PlantedBug(
            "forgets the way back from an abandoned branch",
            "G4: for a token of an abandoned branch, plus the batches to the common ancestor",
            "policy/VersionLine",
            "return bound - row.ancestor() + (batchOf(row) - row.ancestor());",
            "return bound - row.ancestor();"),
        new PlantedBug(
            "keeps abandoned branches live",
            "G4: staleness is counted on the live lineage",
            "policy/VersionLine",
            "if (row.ancestor() > batch) {",
            "if (row.ancestor() > batch + 1) {"),
        new PlantedBug(
            "admits groups however stale",
            "G4: a group past eta is STALE",
            "run/Rollouts",
            "if (isForgotten || staleness > plan.rollout().maxStaleness()) {",
            "if (isForgotten) {"),
        new PlantedBug(
            "uses groups that became stale in replay",
            "G4: staleness of every use is at most eta",
            "run/Batches",
            "if (books.staleness(group) > plan.rollout().maxStaleness()) {",
            "if (books.staleness(group) > plan.rollout().maxStaleness() + 1) {"),
        new PlantedBug(
            "uses version ids again",
            "G4: a version id is allotted in commit order and never used again",
            "run/Publications",
            "books.nextVersion = manifest.version().value() + 1;",
            "books.nextVersion = manifest.version().value() + (batch % 3 == 2 ? 0 : 1);"),
        new PlantedBug(
            "keeps groups without a signal",
            "G4: zero-variance filtering happens at admission",
            "run/Rollouts",
            "yield rewards.size() < 2 ?",
            "yield rewards.isEmpty() ?"),
        new PlantedBug(
            "does not free the place of a lost group",
            "G4: filtered, failed, stale and cancelled groups free their place",
            "group/GroupBook",
"""
    count(entry.row, -1);
""",
"""
    if (state != GroupState.FAILED) {
      count(entry.row, -1);
    }
"""),
        new PlantedBug(
            "waits for large grants for ever",
            "G4: whenever the learner waits and slots are free, capacity is used",
            "run/Rollouts",
            "return books.leases.size() == 0 || batches.isWaiting();",
            "return false;"),
        new PlantedBug(
            "waits for a gap as if it were bound",
            "G4: liveness behind a poisonous batch",
            "batch/BatchLine",
            "return applied() == next().value() - 1;",
            "return applied() == bound;"),
        new PlantedBug(
            "takes the newest lease first",
            "G4: batches take the oldest lease first",
            "replay/Replay",
            "all.sort(Comparator.comparing(Picked::unit, OLDEST_FIRST));",
            "all.sort(Comparator.comparing(Picked::unit, OLDEST_FIRST).reversed());"),
        new PlantedBug(
            "does not wait for stragglers",
            "G4: stragglers are waited for",
            "run/Batches",
            "case GROUP -> stragglers().isEmpty();",
            "case GROUP -> true;"),
        new PlantedBug(
            "waits for stragglers for ever",
            "G4: stragglers are waited for, bounded, then revoked",
            "run/Batches",
            "if (turn.now().since(since).compareTo(plan.rollout().leaseTtl()) < 0) {",
            "if (turn.now().since(since).compareTo(plan.rollout().leaseTtl()) < 1_000) {"),
        new PlantedBug(
            "hangs in a round with too few samples",
            "G4: progress in rounds",
            "run/Rounds",
            "&& bindingRound <= books.round",
            "&& bindingRound == books.round"),
        new PlantedBug(
            "learns before the round is sampled",
            "G4: a barrier waits for the whole round",
            "run/Rounds",
            "lacking == 0 && books.groups.undecidedTraining() == 0;",
            "lacking == 0;"),
        new PlantedBug(
            "samples before the round is learned",
            "G4: a barrier waits for the last batch of the round",
            "run/Rounds",
"""
if (bindingRound > books.round
          && books.line.isApplied()\
""",
"""
if (bindingRound >= books.round
          && !books.lacksUnits()\
"""),
        new PlantedBug(
            "binds in lockstep while rollouts are under way",
            "G4: in lockstep things happen at counted events",
            "run/Batches",
            "return !books.hasOpenRollouts() && books",
            "return books"),
        new PlantedBug(
            "grants in lockstep while groups are under way",
            "G4: in lockstep a block is granted when nothing is open",
            "run/Rollouts",
            "if (isLockstep && books.groups.size(GroupState.LEASED) > 0) {",
            "if (isLockstep && books.groups.size(GroupState.LEASED) > 3) {"));
  }

  /// G5: Infrastructure failure is never reward 0; the posterior moves once.
  private static List<PlantedBug> verdicts() {
    return List.of(
        new PlantedBug(
            "moves the posterior by accepted groups alone",
            "G5: the posterior moves by every verified unhinted group, also filtered or stale",
            "run/Rollouts",
"""
if (group.purpose() == GroupPurpose.TRAINING) {
      books.curriculum.observe\
""",
"""
if (group.purpose() == GroupPurpose.TRAINING && filterOf(outcomes).isEmpty()) {
      books.curriculum.observe\
"""),
        new PlantedBug(
            "moves the posterior by hinted groups",
            "G5: the posterior is never moved by hints",
            "run/Rollouts",
"""
if (group.purpose() == GroupPurpose.TRAINING) {
      books.curriculum.observe\
""",
"""
if (group.purpose().isTraining()) {
      books.curriculum.observe\
"""),
        new PlantedBug(
            "leaves undecided answers out of the posterior",
            "G5: undecided is a verdict, scored and counted",
            "run/Rollouts",
            "books.curriculum.observe(group.task(), right, outcomes.size() - right);",
"""
books.curriculum.observe(
          group.task(),
          right,
          (int) outcomes.stream().filter(o -> o.verdict() == Verdict.WRONG).count());\
"""),
        new PlantedBug(
            "decays the posterior again when a number is bound anew",
            "G5: the posterior decays once a version",
            "run/Batches",
            "place.publish() && row.binding() == 1) {",
            "place.publish()) {"),
        new PlantedBug(
            "forgets the posterior in a new incarnation",
            "G5: the posterior moves once, in the admitting commit",
            "curriculum/Curriculum",
"""
      stratum.posterior = new Posterior(row.right(), row.wrong());
""",
            ""),
        new PlantedBug(
            "gives tasks again",
            "G5: a task is given once",
            "curriculum/Curriculum",
            "stratum.nextIndex.put(GroupPurpose.TRAINING, index + 1);",
            "stratum.nextIndex.put(GroupPurpose.TRAINING, index + (index % 4 == 3 ? 0 : 1));"),
        new PlantedBug(
            "confirms on the held-out set",
            "G5: a confirmation draws new problems",
            "evaluation/EvaluationBook",
            "long index = (long) evaluation.set * evaluation.problems + tally.given;",
            "long index = tally.given;"),
        new PlantedBug(
            "completes without a confirmation",
            "G5: digits are handled when they are confirmed",
            "evaluation/EvaluationBook",
            "return (mustConfirm() ? confirmed : evaluated)",
            "return evaluated"),
        new PlantedBug(
            "calls a stratum handled that is not",
            "G5: handled is the stratum up to which every one reaches the threshold",
            "evaluation/EvaluationBook",
            "tally.right < threshold * evaluation.problems) {",
            "tally.right + 1 < threshold * evaluation.problems) {"),
        new PlantedBug(
            "counts the answers of an evaluation again",
            "G5: an evaluation counts each answer once",
            "evaluation/EvaluationBook",
            "        tally.given = result.answered();",
            "        tally.given = 0;"),
        new PlantedBug(
            "fails a group with its first lease",
            "G5: infrastructure is retried, and only what repeats fails",
            "run/Rollouts",
            "return group.attempts() < plan.rollout().maxAttempts();",
            "return group.attempts() < 1;"));
  }

  /// G6: What was sampled is what is trained.
  private static List<PlantedBug> records() {
    return List.of(
        new PlantedBug(
            "records a wrong draw probability",
            "G6: draw probabilities are recorded",
            "replay/Replay",
            "double probability = 1.0 / urn.left;",
            "double probability = 1.0 / all.size();"),
        new PlantedBug(
            "says a wrong pass rate",
            "G6: what was sampled is what is trained",
            "replay/Replay",
"""
        (double) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count()
            / outcomes.size();\
""",
"""
        (double) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count()
            / row.size()
            * 0.9;\
"""));
  }

  /// G7: No process whose death ends a run.
  private static List<PlantedBug> recovery() {
    return List.of(
        new PlantedBug(
            "uses a lease id again",
            "G7: a lease id is never used again within a run",
            "run/Books",
"""
    nextLease++;
""",
"""
    nextLease += nextLease % 7 == 6 ? 0 : 1;
"""),
        new PlantedBug(
            "begins lease ids anew in a new incarnation",
            "G7: a lease id is never used again, whoever grants",
            "run/Books",
            "nextLease = row.nextLease();",
            "nextLease = row.groupsCreated() + 1;"),
        new PlantedBug(
            "draws the same random numbers again",
            "G7: recovery goes on where the last commit left off",
            "run/Books",
            "new RunRandom(plan.seed(), row.nextRandom())",
            "new RunRandom(plan.seed(), 0)"),
        new PlantedBug(
            "renews leases that are not named",
            "G7: only the leases that a heartbeat names are renewed",
            "run/Rollouts",
            "    int onTheirWay = books.leases",
"""
    var all = new java.util.TreeMap<LeaseId, Long>(heartbeat.progress());
    books.leases.of(heartbeat.session()).forEach(held -> all.putIfAbsent(held.lease(), -1L));
    books.leases.renew(heartbeat.session(), worker.worker, all, turn.now());
    int onTheirWay = books.leases\
"""),
        new PlantedBug(
            "takes a heartbeat for progress",
            "G7: no progress for the progress time-out revokes",
            "lease/LeaseTable",
            "if (progress > lease.progress) {",
            "if (progress >= lease.progress) {"),
        new PlantedBug(
            "does not renew what is named",
            "G7: heartbeats renew",
            "lease/LeaseTable",
"""
      hand(lease, session);
      lease.expires = now.plus(timeToLive);
""",
"""
      hand(lease, session);
"""),
        new PlantedBug(
            "gives old leases half of their time",
            "G7: a new incarnation gives every lease one full TTL",
            "run/Books",
            "leases.begin(group.id(), group.lease(), group.worker(), Optional.empty(), now);",
"""
leases.begin(
                group.id(),
                group.lease(),
                group.worker(),
                Optional.empty(),
                new MonotonicTime(now.nanos() - plan.rollout().leaseTtl().toNanos() / 2));\
"""),
        new PlantedBug(
            "expires everything after a pause",
            "G7: pauses of the process move deadlines instead of expiring everything",
            "run/RunDecider",
"""
      books.leases.shift(pause);
""",
            ""),
        new PlantedBug(
            "moves deadlines by the lease's time alone",
            "G7: pauses of the process move deadlines",
            "run/RunDecider",
            "    return ttl.compareTo(progress) < 0 ? ttl : progress;",
            "    return ttl.plus(progress);"),
        new PlantedBug(
            "takes only the newest lease",
            "G7: the first admissible submit of any lease of an open group wins",
            "run/Rollouts",
"""
    Optional<WorkerId> sampler = books.groups.granteeOf(id, submitted.lease());
""",
"""
    Optional<WorkerId> sampler =
        group.lease().equals(submitted.lease())
            ? books.groups.granteeOf(id, submitted.lease())
            : Optional.empty();
"""),
        new PlantedBug(
            "takes a submit of a lease that was never granted",
            "G7: of any lease granted for the group",
            "group/GroupBook",
            "return Optional.ofNullable(open.get(id)).map(entry -> entry.leases.get(lease));",
            "return Optional.ofNullable(open.get(id)).map(entry -> entry.row.worker());"),
        new PlantedBug(
            "takes a payload for a group in replay",
            "G7: the other lease is answered DUPLICATE",
            "run/Rollouts",
"""
    if (group.state() == GroupState.ACCEPTED) {
      turn.write(new Write.SweepPayloads(List.of(id)));
      return new Admission.Duplicate();
    }
""",
"""
    if (group.state() == GroupState.ACCEPTED) {
      return new Admission.Accepted();
    }
"""),
        new PlantedBug(
            "keeps the leases of a session that ended",
            "G7: a broken stream returns its leases",
            "run/Rollouts",
"""
        lose(turn, held, StateReason.WORKER_LOST);
      }
    }
  }
\
""",
"""
        books.leases.end(held.group());
      }
    }
  }
\
"""),
        new PlantedBug(
            "does not raise the learner epoch",
            "G7: the same id takes over and raises the learner epoch",
            "run/LearnerSessions",
            "there.map(session -> session.epoch.next()).orElse(new LearnerEpoch(1));",
            "there.map(session -> session.epoch).orElse(new LearnerEpoch(1));"),
        new PlantedBug(
            "admits another learner beside the one that lives",
            "G7: another id is refused while the session lives",
            "run/LearnerSessions",
            "return !session.hasLeft && now.since",
            "return session.hasLeft && now.since"),
        new PlantedBug(
            "refuses the learner that comes back",
            "G7: the same id takes over at once",
            "run/LearnerSessions",
"""
        && !there.get().learner.equals(joined.learner())
""",
            ""),
        new PlantedBug(
            "gives a checkpoint that was reported as damaged",
            "G7: a damaged checkpoint is reported and the one before is given",
            "run/LearnerSessions",
            "for (PolicyVersion damaged : joined.damaged()) {",
            "for (PolicyVersion damaged : joined.damaged().subList(0, 0)) {"),
        new PlantedBug(
            "refuses repeated publications",
            "G7: publication is idempotent by (learner epoch, step)",
            "run/Publications",
            "if (earlier.isPresent()) {",
            "if (earlier.isPresent() && earlier.get().deleted()) {"),
        new PlantedBug(
            "takes a step for a publication",
            "G7: idempotent by what was published",
            "policy/VersionLine",
"""
        .filter(row -> row.manifest().lineage().equals(manifest.lineage()))
""",
            ""),
        new PlantedBug(
            "keeps one durable checkpoint alone",
            "G7: the last two durable versions are kept",
            "policy/VersionLine",
"""
        .filter(row -> batchOf(row) >= oldest)
""",
"""
        .filter(row -> batchOf(row) > oldest)
"""),
        new PlantedBug(
            "deletes the version under evaluation",
            "G7: a version in use by an evaluation is kept",
            "run/Books",
"""
    evaluations.version().ifPresent(needed::add);
    evaluations.reached().map(EvaluationRow::version).ifPresent(needed::add);
    needed.addAll(loaded.keySet());
    needed.addAll(groups.pinnedVersions());
""",
"""
    needed.addAll(loaded.keySet());
"""),
        new PlantedBug(
            "deletes versions that workers have loaded",
            "G7: a version loaded by a worker whose session lives is kept",
            "run/Books",
"""
    needed.addAll(loaded.keySet());
""",
            ""),
        new PlantedBug(
            "deletes the newest versions",
            "G7: a version is kept while it is head",
            "policy/VersionLine",
"""
    versions.descendingKeySet().stream().limit(NEWEST_KEPT).forEach(kept::add);
""",
            ""),
        new PlantedBug(
            "acknowledges a pause and goes on",
            "G7: what a person asks for is so once it is acknowledged",
            "run/RunDecider",
"""
        books.state = RunState.PAUSED;
""",
"""
        books.state = RunState.RUNNING;
"""),
        new PlantedBug(
            "forgets how long the run has run",
            "G7: recovery goes on where the last commit left off",
            "run/Books",
"""
    elapsed = row.elapsed();
""",
"""
    elapsed = Duration.ZERO;
"""),
        new PlantedBug(
            "goes on after the end",
            "G7: a run that is over stays over",
            "run/RunDecider",
"""
    if (books.state.isFinal()) {
      afterTheEnd(turn, input);
      return turn.decision();
    }
""",
            ""));
  }
}
