package io.gradus.coordinator.run;

import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import akka.serialization.Serializers;
import com.typesafe.config.ConfigFactory;
import io.gradus.coordinator.cluster.NodeWatch;
import io.gradus.coordinator.pool.PoolAnswer;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.wire.OnTheWire;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.RunView;
import io.gradus.core.task.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Whatever may travel between nodes arrives as it was sent.
class OnTheWireTest {

  private static final ActorTestKit KIT =
      ActorTestKit.create(
          ConfigFactory.defaultReference()
              .getConfig("gradus.coordinator.akka")
              .withFallback(ConfigFactory.defaultReference())
              .resolve());

  private static final ActorRef<RunAnswer> ASKER = KIT.createTestProbe(RunAnswer.class).getRef();
  private static final ActorRef<ToWorker> WORKER = KIT.createTestProbe(ToWorker.class).getRef();
  private static final ActorRef<ToLearner> LEARNER = KIT.createTestProbe(ToLearner.class).getRef();

  private static final ActorRef<PoolAnswer> POOLED = KIT.createTestProbe(PoolAnswer.class).getRef();

  private static final LearnerEpoch EPOCH = new LearnerEpoch(3);
  private static final PayloadDigest PAYLOAD = new PayloadDigest("ab".repeat(32));
  private static final BatchDigest BATCH = new BatchDigest("cd".repeat(32));

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  static Stream<OnTheWire> messages() {
    return Stream.of(commands(), answers(), toWorkers(), toLearners(), pools()).flatMap(s -> s);
  }

  private static Stream<OnTheWire> commands() {
    return Stream.of(
        new RunCommand.Wake(),
        new RunCommand.JoinWorker(new WorkerId("worker-1"), 8, WORKER),
        new RunCommand.Heartbeat(
            2,
            new SessionId(4),
            5,
            List.of(new RunCommand.LeaseProgress(new LeaseId(6), 700)),
            WORKER),
        new RunCommand.Heartbeat(2, new SessionId(4), 0, List.of(), WORKER),
        new RunCommand.CheckSession(2, new SessionId(4), WORKER),
        new RunCommand.LeaveWorker(2, new SessionId(4), WORKER),
        new RunCommand.LoadVersion(2, new SessionId(4), new PolicyVersion(9)),
        new RunCommand.FailGroup(2, new SessionId(4), new GroupId(5), new LeaseId(6)),
        new RunCommand.SubmitGroups(
            List.of(
                new RunCommand.SubmittedGroup(
                    new GroupId(5),
                    new LeaseId(6),
                    PAYLOAD,
                    new PolicyVersion(0),
                    List.of(
                        new Outcome(0, Verdict.RIGHT, 1, 12, false),
                        new Outcome(3, Verdict.UNDECIDED, -0.1f, 0, true)))),
            RunCommand.Place.STORED,
            ASKER),
        new RunCommand.JoinLearner(
            new LearnerId("learner-1"),
            List.of(new PolicyVersion(7)),
            Optional.of("http://learner:7071/v1/runs/run-1/checkpoints"),
            ASKER),
        new RunCommand.WantBatches(EPOCH, new BatchNumber(12), 4, Optional.empty(), LEARNER),
        new RunCommand.ReportBatch(
            EPOCH,
            new BatchNumber(12),
            BATCH,
            2,
            1,
            new LearnerFigures(
                OptionalDouble.of(0.1 + 0.2),
                OptionalDouble.empty(),
                OptionalDouble.of(Double.MIN_VALUE),
                OptionalDouble.of(1),
                1e-3,
                Long.MAX_VALUE,
                128,
                0.25,
                1.5),
            ASKER),
        new RunCommand.ReportBatch(
            EPOCH, new BatchNumber(12), BATCH, 2, 1, LearnerFigures.none(), ASKER),
        new RunCommand.FailBatch(EPOCH, new BatchNumber(12), "loss is not finite", ASKER),
        new RunCommand.PublishPolicy(EPOCH, manifest(), new PolicyVersion(0), 0.5, ASKER),
        new RunCommand.Pause(false, ASKER),
        new RunCommand.Resume(ASKER),
        new RunCommand.Cancel("enough", ASKER),
        new RunCommand.GetProgress(ASKER));
  }

  private static Stream<OnTheWire> answers() {
    return Stream.of(
        new RunAnswer.Submitted(
            Stream.of(RunAnswer.GroupOutcome.Kind.values())
                .map(kind ->
                    new RunAnswer.GroupOutcome(new GroupId(1), new LeaseId(2), kind, "message"))
                .toList()),
        new RunAnswer.LearnerJoined(
            EPOCH,
            Optional.of(version()),
            Optional.empty(),
            new BatchNumber(13),
            new PolicyVersion(10)),
        new RunAnswer.Published(new PolicyVersion(9), new PolicyVersion(10)),
        new RunAnswer.Acknowledged(),
        new RunAnswer.Refused("LEARNER_FENCED", "join again", Map.of("run_id", "run-1")),
        new RunAnswer.Progress(
            "run-1",
            17,
            Instant.parse("2026-11-24T12:00:00.123456789Z"),
            view(),
            new LearnerSummary(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)));
  }

  private static Stream<OnTheWire> toWorkers() {
    return Stream.of(
        new ToWorker.Admitted("run-1", 2, new SessionId(4)),
        new ToWorker.UnknownSession("run-1", 2),
        new ToWorker.Granted(
            "run-1",
            2,
            Stream.of(GroupPurpose.values())
                .map(purpose ->
                    new Effect.Grant(
                        new GroupId(5),
                        new LeaseId(6),
                        purpose,
                        new Task(0, 4, 1L << 40),
                        List.of(0, 2),
                        purpose.isTraining()
                            ? Optional.empty()
                            : Optional.of(new PolicyVersion(3))))
                .toList()),
        new ToWorker.Revoked("run-1", 2, List.of(new LeaseId(6), new LeaseId(7)), "no progress"),
        new ToWorker.VersionAnnounced("run-1", 2, manifest(), List.of("http://learner:7071/v9")),
        new ToWorker.RunEnded("run-1", Long.MAX_VALUE),
        new ToWorker.Superseded("run-1", 2));
  }

  private static Stream<OnTheWire> pools() {
    return Stream.of(
        new PoolCommand.OfferWorker(new WorkerId("worker-1"), 256, POOLED),
        new PoolCommand.ClaimSlots("run-1", 2.5, 700),
        new PoolCommand.WithdrawClaim("run-1"),
        new PoolAnswer.Allotted(Map.of("run-1", 192, "run-2", 64)),
        new NodeWatch.PeerWrote("akka://gradus@127.0.0.1:7421"));
  }

  private static Stream<OnTheWire> toLearners() {
    return Stream.of(
        new ToLearner.BatchReleased(
            batch(Optional.empty()),
            List.of(
                new Use(new GroupId(5), new LeaseId(6), Use.WHOLE_GROUP, 0.1 + 0.2, 1.0 / 3, 4, 60),
                new Use(new GroupId(5), new LeaseId(6), 3, 1, 0, 0, 0))),
        new ToLearner.BatchReleased(
            batch(Optional.of(new GoldRange("addition/direct", 1, 0, -17, 128, 128, 1, 3))),
            List.of()),
        new ToLearner.RunEnded(),
        new ToLearner.Fenced("a newer stream took over"),
        new ToLearner.AskAgain());
  }

  private static Manifest manifest() {
    return new Manifest(
        new PolicyVersion(9),
        120,
        Optional.of(new BatchNumber(12)),
        "file:///checkpoints/v00000009",
        List.of(new Manifest.CheckpointFile("a name with blanks", 1L << 33, "0".repeat(64))),
        Lineage.root().after(new BatchNumber(12), BATCH),
        true);
  }

  private static VersionRow version() {
    return new VersionRow(manifest(), new PolicyVersion(8), EPOCH, 14, 12, true, false);
  }

  private static BatchRow batch(Optional<GoldRange> gold) {
    return new BatchRow(
        new BatchNumber(12),
        2,
        BatchState.APPLIED,
        "",
        gold,
        BATCH,
        2000,
        16,
        1,
        2,
        60,
        true,
        true,
        false,
        1,
        gold.isPresent() ? Optional.empty() : Optional.of(EPOCH),
        1,
        0,
        Optional.of(EPOCH));
  }

  private static RunView view() {
    return new RunView(
        new RunRow(
            RunState.PAUSED,
            "by a person",
            Map.of("NONE>LEASED", 7L, "LEASED>FILTERED(NONE_RIGHT)", 2L),
            7,
            9,
            10,
            14,
            5,
            1,
            56,
            600,
            48,
            500,
            40,
            -12,
            Duration.ofNanos(1_234_567_891L)),
        Map.of("FILTERED(NONE_RIGHT)", 2L),
        0,
        12,
        120,
        3,
        4,
        5,
        List.of(1L, 0L, 2L),
        List.of(new RunView.Stratum(0, 4, 0.5, 0.25, 12)),
        List.of(
            new EvaluationRow(
                new PolicyVersion(9),
                true,
                2,
                12,
                true,
                6,
                Duration.ofMillis(5),
                false,
                List.of(new StratumResult(0, 1, 99, 100)))),
        Optional.of(version()),
        Optional.empty(),
        List.of(batch(Optional.empty())),
        true);
  }

  @ParameterizedTest
  @MethodSource("messages")
  void arrivesAsItWasSent(OnTheWire message) {
    Serialization serialization = SerializationExtension.get(KIT.system());

    byte[] bytes = serialization.serialize(message).get();
    var serializer = serialization.findSerializerFor(message);
    Object arrived =
        serialization
            .deserialize(
                bytes, serializer.identifier(), Serializers.manifestFor(serializer, message))
            .get();

    assertThat(arrived).isEqualTo(message);
    assertThat(serializer.getClass().getSimpleName()).isEqualTo("JacksonCborSerializer");
  }

  /// Nodes of two builds are in one cluster while they are restarted one after the other. The
  /// baseline holds messages as the previous release wrote them; to release, write it anew with
  /// -Dregenerate=true.
  @Test
  void readsWhatThePreviousReleaseWrote() throws Exception {
    Path baseline = Path.of("src/test/resources/wire-baseline.txt");
    Serialization serialization = SerializationExtension.get(KIT.system());
    if (Boolean.getBoolean("regenerate")) {
      var lines = new ArrayList<String>();
      for (OnTheWire message : (Iterable<OnTheWire>) messages()::iterator) {
        var serializer = serialization.findSerializerFor(message);
        lines.add(
            "%d %s %s"
                .formatted(
                    serializer.identifier(),
                    Serializers.manifestFor(serializer, message),
                    HexFormat.of().formatHex(serialization.serialize(message).get())));
      }
      Files.write(baseline, lines);
    }
    for (String line : Files.readAllLines(baseline)) {
      String[] parts = line.split(" ", 3);

      Object read =
          serialization
              .deserialize(HexFormat.of().parseHex(parts[2]), Integer.parseInt(parts[0]), parts[1])
              .get();

      assertThat(read.getClass().getName()).isEqualTo(parts[1]);
    }
  }

  @Test
  void sendsEveryMessageThatThereIs() {
    Set<Class<?>> sent = messages().map(OnTheWire::getClass).collect(toSet());

    assertThat(sent)
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(
                    RunCommand.FromEdge.class,
                    RunAnswer.class,
                    ToWorker.class,
                    ToLearner.class,
                    PoolCommand.FromNode.class,
                    PoolAnswer.class,
                    NodeWatch.Message.class)
                .flatMap(type -> Stream.of(type.getPermittedSubclasses()))
                .filter(OnTheWire.class::isAssignableFrom)
                .filter(type -> !type.equals(RunAnswer.GroupOutcome.class))
                .collect(toSet()));
  }
}
