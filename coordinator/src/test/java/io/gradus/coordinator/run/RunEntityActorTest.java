package io.gradus.coordinator.run;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.PoisonPill;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import io.gradus.coordinator.ledger.FaultyConnections;
import io.gradus.coordinator.ledger.FaultyConnections.Fault;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.LedgerConfig;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.StoredRun;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.pool.PoolShare;
import io.gradus.coordinator.run.RunAnswer.GroupOutcome.Kind;
import io.gradus.coordinator.run.RunCommand.Place;
import io.gradus.coordinator.run.RunCommand.SubmittedGroup;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.coordinator.spec.Specs;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.RunState;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The shell of a run, with a real ledger whose commits can be held back or lost.
@Timeout(120)
class RunEntityActorTest {

  private static final ActorTestKit KIT = ActorTestKit.create();
  private static final String RUN = "run-1";
  private static final RunPlan PLAN =
      RunPlanMapper.planOf(
          SpecDefaults.fill(Specs.star("tasks { addition {} } stop { batches: 3 }"), 2));

  @TempDir private Path directory;

  private final FaultyConnections faults = new FaultyConnections();
  private final ExecutorService blocking = Executors.newVirtualThreadPerTaskExecutor();
  private final PayloadStaging staging = new PayloadStaging(1 << 20);
  private final List<String> fenced = new CopyOnWriteArrayList<>();
  private final List<PoolCommand> pooled = new CopyOnWriteArrayList<>();
  private final List<Input> inputs = new CopyOnWriteArrayList<>();
  private final TestProbe<RunAnswer> asker = KIT.createTestProbe(RunAnswer.class);
  private final TestProbe<ToWorker> worker = KIT.createTestProbe(ToWorker.class);
  private final TestProbe<ToWorker> bystander = KIT.createTestProbe(ToWorker.class);
  private final TestProbe<ToLearner> learner = KIT.createTestProbe(ToLearner.class);
  private Ledger ledger;
  private ActorRef<RunCommand> run;

  /// Set by the join, as a worker's stream would remember it.
  private ToWorker.Admitted session = new ToWorker.Admitted(RUN, 0, new SessionId(1));

  /// Writes down what the decider is told; breaks when a person pauses `forbidden`.
  private final class Watched implements Decider {

    private final TinyDecider decider;

    private Watched(TinyDecider decider) {
      this.decider = decider;
    }

    @Override
    public Decision decide(Input input, MonotonicTime now) {
      inputs.add(input);
      if (input instanceof Input.ResumeRequested && isBroken) {
        isBroken = false;
        throw new IllegalStateException("an invariant broke");
      }
      return decider.decide(input, now);
    }

    @Override
    public RunView view(MonotonicTime now) {
      return decider.view(now);
    }
  }

  private volatile boolean isBroken;

  @BeforeEach
  void open() throws Exception {
    ledger = faults.open(config());
    ledger.createRun(RUN, new byte[] {1}).toCompletableFuture().get(20, TimeUnit.SECONDS);
    run = spawn(RUN, 64, 64);
  }

  @AfterEach
  void close() {
    KIT.stop(run);
    ledger.close();
    blocking.shutdownNow();
  }

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  private LedgerConfig config() {
    LedgerConfig usual = LedgerConfig.sqlite(directory.resolve("ledger.db"));
    return new LedgerConfig(
        usual.jdbcUrl(),
        usual.user(),
        usual.password(),
        usual.readConnections(),
        usual.queueCapacity(),
        usual.lockTimeout(),
        usual.statementTimeout(),
        // Short, so that a database that cannot be written is given up soon.
        Duration.ofMillis(300),
        usual.integrityCheckMaxBytes(),
        usual.payloadCacheBytes(),
        usual.payloadRetentionGroups());
  }

  private ActorRef<RunCommand> spawn(String runId, int commitsInFlight, int stashCapacity) {
    return spawn(runId, commitsInFlight, stashCapacity, RunEntityActorTest::stopAtOnce);
  }

  /// Unlike a shard, which keeps what comes for an entity that leaves and gives it to the next one.
  private static void stopAtOnce(ActorRef<RunCommand> entity) {
    Adapter.toClassic(entity).tell(PoisonPill.getInstance(), akka.actor.ActorRef.noSender());
  }

  private ActorRef<RunCommand> spawn(
      String runId,
      int commitsInFlight,
      int stashCapacity,
      Consumer<ActorRef<RunCommand>> onLeaving) {
    var config =
        new RunConfig(
            Duration.ofHours(1),
            commitsInFlight,
            stashCapacity,
            Duration.ofMillis(10),
            Duration.ofMillis(20),
            1000,
            Duration.ofHours(1));
    return KIT.spawn(
        RunEntity.create(
            runId,
            new RunSurroundings(
                ledger,
                (plan, image, _) -> new Watched(new TinyDecider(plan, image)),
                _ -> PLAN,
                _ -> new PoolShare(PoolShare.DEFAULT_POOL, 1),
                new NoCheckpoints(),
                staging,
                System::nanoTime,
                blocking,
                config,
                (_, command) -> pooled.add(command),
                fenced::add,
                () -> !fenced.isEmpty()),
            onLeaving));
  }

  private void restart(int commitsInFlight, int stashCapacity) {
    handOver();
    run = spawn(RUN, commitsInFlight, stashCapacity);
  }

  /// What a shard does that gives the run to another node.
  private void handOver() {
    run.tell(RunEntity.handOver());
    asker.expectTerminated(run, Duration.ofSeconds(20));
  }

  private static final class NoCheckpoints implements CheckpointStore {
    @Override
    public String uriOf(String runId) {
      return "file:///checkpoints/";
    }

    @Override
    public void delete(String runId, io.gradus.core.ledger.VersionRow version) {}

    @Override
    public void sweep(String runId, Set<String> named, LearnerEpoch epoch) {}
  }

  private void join() {
    run.tell(new RunCommand.JoinWorker(new WorkerId("worker-1"), 8, worker.getRef()));
    List<ToWorker> heard =
        worker.fishForMessage(
            Duration.ofSeconds(20),
            message ->
                switch (message) {
                  case ToWorker.Admitted _ -> FishingOutcomes.complete();
                  // Of the incarnation before.
                  case ToWorker.UnknownSession _ -> FishingOutcomes.continueAndIgnore();
                  default -> FishingOutcomes.fail("the first answer is " + message);
                });
    session = (ToWorker.Admitted) heard.getLast();
  }

  private void heartbeat(int credits) {
    run.tell(
        new RunCommand.Heartbeat(
            session.epoch(), session.session(), credits, List.of(), worker.getRef()));
  }

  private List<Effect.Grant> granted(int groups) {
    heartbeat(groups);
    return worker.expectMessageClass(ToWorker.Granted.class).grants();
  }

  private static Payload payload(Effect.Grant grant) {
    return Payload.of(
        grant.group(),
        grant.lease(),
        new PayloadDigest("%064x".formatted(grant.group().value())),
        new byte[] {2});
  }

  private static SubmittedGroup submitted(Payload payload) {
    return new SubmittedGroup(
        payload.group(),
        payload.lease(),
        payload.digest(),
        new PolicyVersion(0),
        List.of(new Outcome(0, Verdict.RIGHT, 1, 2, false)));
  }

  private void submit(List<Effect.Grant> grants) {
    List<Payload> payloads = grants.stream().map(RunEntityActorTest::payload).toList();
    payloads.forEach(
        payload -> assertThat(staging.offer(RUN, payload)).isEqualTo(PayloadStaging.Offer.STAGED));
    run.tell(
        new RunCommand.SubmitGroups(
            payloads.stream().map(RunEntityActorTest::submitted).toList(),
            Place.STAGED,
            asker.getRef()));
  }

  private LearnerEpoch joinLearner() {
    run.tell(
        new RunCommand.JoinLearner(
            new LearnerId("learner-1"), List.of(), Optional.empty(), asker.getRef()));
    return asker.expectMessageClass(RunAnswer.LearnerJoined.class).epoch();
  }

  private ToLearner.BatchReleased boundBatch(LearnerEpoch epoch) {
    submit(granted(2));
    asker.expectMessageClass(RunAnswer.Submitted.class);
    run.tell(
        new RunCommand.WantBatches(
            epoch, new BatchNumber(1), 1, Optional.empty(), learner.getRef()));
    return learner.expectMessageClass(ToLearner.BatchReleased.class);
  }

  private RunCommand.ReportBatch report(LearnerEpoch epoch, BatchDigest digest) {
    return new RunCommand.ReportBatch(
        epoch, new BatchNumber(1), digest, 1, 0, LearnerFigures.none(), asker.getRef());
  }

  private RunCommand.PublishPolicy publication(LearnerEpoch epoch) {
    return new RunCommand.PublishPolicy(
        epoch,
        new Manifest(
            new PolicyVersion(1),
            0,
            Optional.empty(),
            "file:///checkpoints/v1",
            List.of(new Manifest.CheckpointFile("model.safetensors", 7, "0".repeat(64))),
            Lineage.root(),
            false),
        new PolicyVersion(0),
        0,
        asker.getRef());
  }

  /// Waits until the entity has worked off what it was sent, by a question that it answers at once.
  private void awaitTurn() {
    run.tell(new RunCommand.CheckSession(-1, new SessionId(1), bystander.getRef()));
    bystander.expectMessageClass(ToWorker.UnknownSession.class);
  }

  /// Sends `commands` while their commit is held: nobody may hear anything before it is durable.
  private void isSilentUntilDurable(RunCommand... commands) throws Exception {
    FaultyConnections.Gate gate = faults.holdNextCommit();
    long commits = ledger.commits();
    for (RunCommand command : commands) {
      run.tell(command);
    }
    gate.awaitArrival();
    awaitTurn();
    asker.expectNoMessage(Duration.ZERO);
    worker.expectNoMessage(Duration.ZERO);
    learner.expectNoMessage(Duration.ZERO);
    assertThat(ledger.commits()).isEqualTo(commits);
    gate.open();
  }

  @Test
  void grantsNothingBeforeItsCommit() throws Exception {
    join();

    isSilentUntilDurable(
        new RunCommand.Heartbeat(
            session.epoch(), session.session(), 2, List.of(), worker.getRef()));

    assertThat(worker.expectMessageClass(ToWorker.Granted.class).grants()).hasSize(2);
  }

  @Test
  void acknowledgesNoSubmitBeforeItsCommit() throws Exception {
    join();
    Payload payload = payload(granted(1).getFirst());
    staging.offer(RUN, payload);

    isSilentUntilDurable(
        new RunCommand.SubmitGroups(List.of(submitted(payload)), Place.STAGED, asker.getRef()),
        new RunCommand.GetProgress(asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Submitted.class).outcomes().getFirst().kind())
        .isEqualTo(Kind.ACCEPTED);
    assertThat(asker.expectMessageClass(RunAnswer.Progress.class).revision())
        .as("a view is told with the commit that it is of")
        .isEqualTo(2);
  }

  @Test
  void acknowledgesNothingOfALearnerBeforeItsCommit() throws Exception {
    join();

    isSilentUntilDurable(
        new RunCommand.JoinLearner(
            new LearnerId("learner-1"), List.of(), Optional.empty(), asker.getRef()));
    LearnerEpoch epoch = asker.expectMessageClass(RunAnswer.LearnerJoined.class).epoch();
    submit(granted(2));
    asker.expectMessageClass(RunAnswer.Submitted.class);
    isSilentUntilDurable(
        new RunCommand.WantBatches(
            epoch, new BatchNumber(1), 1, Optional.empty(), learner.getRef()));
    var batch = learner.expectMessageClass(ToLearner.BatchReleased.class).batch();
    isSilentUntilDurable(report(epoch, batch.digest()));
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    isSilentUntilDurable(publication(epoch));
    asker.expectMessageClass(RunAnswer.Published.class);
    worker.expectMessageClass(ToWorker.VersionAnnounced.class);
  }

  private static final String SERVED_AT = "http://learner-1:7071/v1/runs/run-1/checkpoints";

  private LearnerEpoch joinLearner(String servedAt) {
    run.tell(
        new RunCommand.JoinLearner(
            new LearnerId("learner-1"), List.of(), Optional.of(servedAt), asker.getRef()));
    return asker.expectMessageClass(RunAnswer.LearnerJoined.class).epoch();
  }

  private ToWorker.VersionAnnounced published(LearnerEpoch epoch) {
    run.tell(publication(epoch));
    asker.expectMessageClass(RunAnswer.Published.class);
    return worker.expectMessageClass(ToWorker.VersionAnnounced.class);
  }

  @Test
  void tellsWorkersWhereTheLearnerServesItsCheckpoints() {
    join();

    ToWorker.VersionAnnounced announced = published(joinLearner(SERVED_AT));

    assertThat(announced.sources()).containsExactly(SERVED_AT + "/v1");
  }

  @Test
  void namesNoSourceWhereTheLearnerServesNothing() {
    join();

    assertThat(published(joinLearner()).sources()).isEmpty();
  }

  @Test
  void announcesTheNewestVersionAgainWhenTheLearnerComesBackElsewhere() {
    join();
    ToWorker.VersionAnnounced before = published(joinLearner(SERVED_AT));

    joinLearner("http://learner-2:7071/v1/runs/run-1/checkpoints");

    ToWorker.VersionAnnounced after = worker.expectMessageClass(ToWorker.VersionAnnounced.class);
    assertThat(after.manifest()).isEqualTo(before.manifest());
    assertThat(after.sources())
        .containsExactly("http://learner-2:7071/v1/runs/run-1/checkpoints/v1");
  }

  @Test
  void doesNotAnnounceAgainWhenTheLearnerComesBackToTheSamePlace() {
    join();
    published(joinLearner(SERVED_AT));

    joinLearner(SERVED_AT);

    awaitTurn();
    worker.expectNoMessage(Duration.ZERO);
  }

  @Test
  void learnsWhereCheckpointsAreServedFromABatchStreamOfAnOlderIncarnation() {
    join();
    LearnerEpoch epoch = joinLearner(SERVED_AT);
    published(epoch);
    restart(64, 64);
    join();
    assertThat(worker.expectMessageClass(ToWorker.VersionAnnounced.class).sources()).isEmpty();

    run.tell(
        new RunCommand.WantBatches(
            epoch, new BatchNumber(1), 0, Optional.of(SERVED_AT), learner.getRef()));

    assertThat(worker.expectMessageClass(ToWorker.VersionAnnounced.class).sources())
        .containsExactly(SERVED_AT + "/v1");
  }

  @Test
  void acknowledgesNoCommandOfAPersonBeforeItsCommit() throws Exception {
    join();

    isSilentUntilDurable(new RunCommand.Pause(false, asker.getRef()));
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    isSilentUntilDurable(new RunCommand.Resume(asker.getRef()));
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    isSilentUntilDurable(new RunCommand.Cancel("enough", asker.getRef()));
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    worker.expectMessageClass(ToWorker.RunEnded.class);
  }

  @Test
  void forgetsWhatWasDecidedOnACommitThatFailed() throws Exception {
    join();
    FaultyConnections.Gate gate = faults.holdNextCommit();
    heartbeat(1);
    gate.awaitArrival();
    heartbeat(1);
    run.tell(new RunCommand.Pause(false, asker.getRef()));
    awaitTurn();

    faults.plan(LongStream.range(0, 50).mapToObj(_ -> Fault.BEFORE_COMMIT).toArray(Fault[]::new));
    gate.open();

    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.RECOVERING);
    worker.expectMessageClass(ToWorker.UnknownSession.class);
    faults.heal();
    join();
    assertThat(session.epoch()).as("each incarnation raises the epoch").isGreaterThan(1);
    assertThat(granted(1).getFirst().group())
        .as("neither grant nor pause ever happened")
        .isEqualTo(new GroupId(1));
    assertThat(fenced).isEmpty();
  }

  @Test
  void refusesASubmitWhosePayloadIsNotInTheLedgerAndRecovers() {
    join();
    Effect.Grant grant = granted(1).getFirst();

    run.tell(
        new RunCommand.SubmitGroups(
            List.of(submitted(payload(grant))), Place.STORED, asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.RECOVERING);
    worker.expectMessageClass(ToWorker.UnknownSession.class);
    submit(List.of(grant));
    assertThat(asker.expectMessageClass(RunAnswer.Submitted.class).outcomes().getFirst().kind())
        .as("the group is still leased")
        .isEqualTo(Kind.ACCEPTED);
  }

  @Test
  void refusesASubmitWhosePayloadWasWithdrawn() {
    join();
    List<Effect.Grant> grants = granted(2);
    Payload there = payload(grants.getFirst());
    staging.offer(RUN, there);

    run.tell(
        new RunCommand.SubmitGroups(
            List.of(submitted(payload(grants.getLast())), submitted(there)),
            Place.STAGED,
            asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Submitted.class).outcomes())
        .extracting(RunAnswer.GroupOutcome::kind)
        .as("one group harms no other, and outcomes keep their order")
        .containsExactly(Kind.ABSENT, Kind.ACCEPTED);
  }

  @Test
  void answersARepeatedSubmitWithoutWritingAgain() {
    join();
    List<Effect.Grant> grants = granted(1);
    submit(grants);
    asker.expectMessageClass(RunAnswer.Submitted.class);
    long commits = ledger.commits();

    submit(grants);

    assertThat(asker.expectMessageClass(RunAnswer.Submitted.class).outcomes().getFirst().kind())
        .isEqualTo(Kind.DUPLICATE);
    assertThat(ledger.commits()).isEqualTo(commits);
  }

  @Test
  void leavesWhenAnotherIncarnationTookTheRun() throws Exception {
    join();
    ledger.takeOver(RUN).toCompletableFuture().get(20, TimeUnit.SECONDS);

    run.tell(new RunCommand.Pause(false, asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.RECOVERING);
    asker.expectTerminated(run);
    assertThat(fenced).containsExactly(RUN);
    StoredRun found = ledger.reader().findRun(RUN).orElseThrow();
    assertThat(found.row()).as("nothing decided").isEmpty();

    // Whoever wakes the run here before the node has left.
    run = spawn(RUN, 64, 64);

    asker.expectTerminated(run);
    assertThat(ledger.reader().findRun(RUN).orElseThrow().epoch())
        .as("a fenced node takes no run over")
        .isEqualTo(found.epoch());
  }

  @Test
  void answersWhatIsUnderWayBeforeItIsHandedOverAndRefusesTheRest() throws Exception {
    join();
    FaultyConnections.Gate gate = faults.holdNextCommit();
    run.tell(new RunCommand.Pause(false, asker.getRef()));
    gate.awaitArrival();

    run.tell(RunEntity.handOver());
    TestProbe<RunAnswer> late = KIT.createTestProbe(RunAnswer.class);
    run.tell(new RunCommand.Resume(late.getRef()));
    assertThat(late.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.RECOVERING);
    gate.open();

    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    asker.expectTerminated(run, Duration.ofSeconds(20));
    worker.fishForMessage(
        Duration.ofSeconds(20),
        message ->
            message instanceof ToWorker.UnknownSession
                ? FishingOutcomes.complete()
                : FishingOutcomes.continueAndIgnore());
    assertThat(fenced).isEmpty();
  }

  /// Its takeover under way would otherwise end after the next entity's, and fence that one.
  @Test
  void isNotHandedOverBeforeItsOwnTakeoverIsOver() throws Exception {
    for (int round = 0; round < 20; round++) {
      handOver();
      run = spawn(RUN, 64, 64);
    }
    run.tell(new RunCommand.Pause(false, asker.getRef()));

    asker.expectMessageClass(RunAnswer.Acknowledged.class, Duration.ofSeconds(20));
    assertThat(fenced).isEmpty();
  }

  @Test
  void keepsCommandsWhileCommitsAreUnderWayAndRefusesThoseBeyondItsRoom() throws Exception {
    restart(1, 2);
    join();
    FaultyConnections.Gate gate = faults.holdNextCommit();
    run.tell(new RunCommand.Pause(false, asker.getRef()));
    gate.awaitArrival();
    TestProbe<RunAnswer> kept = KIT.createTestProbe(RunAnswer.class);
    TestProbe<RunAnswer> beyond = KIT.createTestProbe(RunAnswer.class);

    run.tell(new RunCommand.Resume(kept.getRef()));
    run.tell(new RunCommand.GetProgress(kept.getRef()));
    run.tell(new RunCommand.Pause(false, beyond.getRef()));

    assertThat(beyond.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.BUSY);
    kept.expectNoMessage(Duration.ZERO);
    gate.open();
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    kept.expectMessageClass(RunAnswer.Acknowledged.class);
    assertThat(kept.expectMessageClass(RunAnswer.Progress.class).view().run().state())
        .as("kept commands are worked off in their order")
        .isEqualTo(RunState.RUNNING);
  }

  @Test
  void recoversWhenTheDeciderBreaks() {
    join();
    List<Effect.Grant> before = granted(1);
    isBroken = true;

    run.tell(new RunCommand.Resume(asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.RECOVERING);
    worker.expectMessageClass(ToWorker.UnknownSession.class);
    join();
    assertThat(granted(1).getFirst().group()).isEqualTo(before.getFirst().group().next());
  }

  @Test
  void refusesEverythingOfARunThatIsNotThere() {
    TestProbe<ActorRef<RunCommand>> leaving = KIT.createTestProbe();
    ActorRef<RunCommand> absent = spawn("run-2", 64, 64, leaving.getRef()::tell);

    absent.tell(new RunCommand.Pause(false, asker.getRef()));

    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.NOT_FOUND);
    ActorRef<RunCommand> left = leaving.receiveMessage();
    assertThat(left).isEqualTo(absent);
    absent.tell(new RunCommand.Pause(false, asker.getRef()));
    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .as("while it leaves")
        .isEqualTo(RunAnswer.Refused.NOT_FOUND);
    stopAtOnce(left);
    asker.expectTerminated(absent);
  }

  @Test
  void answersQuestionsAboutARunThatIsOverAndRefusesTheRest() {
    join();
    List<Effect.Grant> grants = granted(1);
    run.tell(new RunCommand.Cancel("enough", asker.getRef()));
    asker.expectMessageClass(RunAnswer.Acknowledged.class);
    worker.expectMessageClass(ToWorker.RunEnded.class);
    restart(64, 64);

    run.tell(new RunCommand.GetProgress(asker.getRef()));
    RunView view = asker.expectMessageClass(RunAnswer.Progress.class).view();
    run.tell(new RunCommand.Cancel("again", asker.getRef()));
    asker.expectMessageClass(RunAnswer.Progress.class);
    run.tell(new RunCommand.Resume(asker.getRef()));

    assertThat(view.run().state()).isEqualTo(RunState.CANCELLED);
    assertThat(view.run().reason()).isEqualTo("enough");
    assertThat(asker.expectMessageClass(RunAnswer.Refused.class).reason())
        .isEqualTo(RunAnswer.Refused.ENDED);
    submit(grants);
    assertThat(asker.expectMessageClass(RunAnswer.Submitted.class).outcomes().getFirst().kind())
        .isEqualTo(Kind.REFUSED);
    heartbeat(1);
    worker.expectMessageClass(ToWorker.RunEnded.class);
    run.tell(
        new RunCommand.WantBatches(
            new LearnerEpoch(1), new BatchNumber(1), 1, Optional.empty(), learner.getRef()));
    learner.expectMessageClass(ToLearner.RunEnded.class);
  }

  @Test
  void sendsASessionOfAnotherIncarnationToJoinAgain() {
    join();

    run.tell(
        new RunCommand.Heartbeat(
            session.epoch() - 1, session.session(), 5, List.of(), worker.getRef()));

    worker.expectMessageClass(ToWorker.UnknownSession.class);
    assertThat(inputs).noneMatch(Input.Heartbeat.class::isInstance);
  }

  @Test
  void supersedesTheOlderStreamOfAWorker() {
    join();
    TestProbe<ToWorker> newer = KIT.createTestProbe(ToWorker.class);

    run.tell(new RunCommand.JoinWorker(new WorkerId("worker-1"), 8, newer.getRef()));

    worker.expectMessageClass(ToWorker.Superseded.class);
    var admitted = newer.expectMessageClass(ToWorker.Admitted.class);
    assertThat(admitted.session()).isNotEqualTo(session.session());
    heartbeat(1);
    worker.expectMessageClass(ToWorker.UnknownSession.class);
    assertThat(inputs)
        .filteredOn(Input.WorkerLeft.class::isInstance)
        .containsExactly(new Input.WorkerLeft(session.session(), Input.Departure.MOVED));
  }

  @Test
  void supersedesTheStreamOfThatWorkerAmongMany() {
    join();
    var second = admitted("worker-2");
    var third = admitted("worker-3");

    var newer = admitted("worker-2");

    assertThat(newer.session()).isNotIn(second.session(), third.session());
    assertThat(inputs)
        .filteredOn(Input.WorkerLeft.class::isInstance)
        .containsExactly(new Input.WorkerLeft(second.session(), Input.Departure.MOVED));
  }

  private ToWorker.Admitted admitted(String worker) {
    TestProbe<ToWorker> stream = KIT.createTestProbe(ToWorker.class);
    run.tell(new RunCommand.JoinWorker(new WorkerId(worker), 8, stream.getRef()));
    return stream.expectMessageClass(ToWorker.Admitted.class);
  }

  @Test
  void admitsAStreamThatAsksTwiceOnce() {
    join();

    run.tell(new RunCommand.JoinWorker(new WorkerId("worker-1"), 8, worker.getRef()));

    assertThat(worker.expectMessageClass(ToWorker.Admitted.class)).isEqualTo(session);
    assertThat(inputs).filteredOn(Input.WorkerJoined.class::isInstance).hasSize(1);
  }

  @Test
  void tellsTheDeciderOfAStreamThatBroke() {
    join();

    worker.stop();

    asker.awaitAssert(() -> {
      assertThat(inputs).contains(new Input.WorkerLeft(session.session(), Input.Departure.LOST));
      return true;
    });
  }

  @Test
  void fencesTheSessionThatALearnerHadBefore() {
    join();
    LearnerEpoch older = joinLearner();
    LearnerEpoch newer = joinLearner();

    run.tell(
        new RunCommand.WantBatches(
            older, new BatchNumber(1), 1, Optional.empty(), learner.getRef()));

    assertThat(newer).isEqualTo(older.next());
    assertThat(learner.expectMessageClass(ToLearner.Fenced.class).message())
        .contains("learner epoch 1", "which is 2");
    assertThat(inputs).noneMatch(Input.BatchesWanted.class::isInstance);
  }

  @Test
  void releasesAStreamOfTheSameSessionForTheNewestOne() {
    join();
    LearnerEpoch epoch = joinLearner();
    run.tell(
        new RunCommand.WantBatches(
            epoch, new BatchNumber(1), 0, Optional.empty(), learner.getRef()));
    TestProbe<ToLearner> newer = KIT.createTestProbe(ToLearner.class);

    run.tell(
        new RunCommand.WantBatches(epoch, new BatchNumber(1), 1, Optional.empty(), newer.getRef()));
    submit(granted(2));

    learner.expectMessageClass(ToLearner.Fenced.class);
    newer.expectMessageClass(ToLearner.BatchReleased.class);
    learner.expectNoMessage(Duration.ZERO);
  }

  @Test
  void releasesTheVerySameBatchToEveryLaterStreamAndIncarnation() {
    join();
    ToLearner.BatchReleased first = boundBatch(joinLearner());

    TestProbe<ToLearner> later = KIT.createTestProbe(ToLearner.class);
    run.tell(
        new RunCommand.WantBatches(
            joinLearner(), new BatchNumber(1), 1, Optional.empty(), later.getRef()));
    assertThat(later.expectMessageClass(ToLearner.BatchReleased.class)).isEqualTo(first);

    restart(64, 64);
    TestProbe<ToLearner> latest = KIT.createTestProbe(ToLearner.class);
    run.tell(
        new RunCommand.WantBatches(
            joinLearner(), new BatchNumber(1), 1, Optional.empty(), latest.getRef()));
    assertThat(latest.expectMessageClass(ToLearner.BatchReleased.class)).isEqualTo(first);
  }

  @Test
  void refusesAReportOfABatchThatWasNotBound() {
    join();
    LearnerEpoch epoch = joinLearner();
    boundBatch(epoch);

    run.tell(report(epoch, new BatchDigest("0".repeat(64))));

    var refused = asker.expectMessageClass(RunAnswer.Refused.class);
    assertThat(refused.reason()).isEqualTo("BATCH_MISMATCH");
    assertThat(refused.details()).containsEntry("run_id", RUN);
  }
}
