package io.gradus.coordinator.ledger;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Rows for tests, with the fields that a test is not about filled in.
final class Rows {

  private Rows() {}

  static RunRow run(long groupsCreated) {
    return new RunRow(
        RunState.RUNNING,
        "",
        Map.of("NONE>LEASED", groupsCreated, "LEASED>FILTERED(NONE_RIGHT)", 3L),
        groupsCreated,
        groupsCreated + 1,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        -12,
        Duration.ofNanos(1_234_567_891L));
  }

  static GroupRow leased(long id) {
    return new GroupRow(
        new GroupId(id),
        GroupPurpose.TRAINING,
        new Task(0, 4, id),
        2,
        GroupState.LEASED,
        StateReason.NONE,
        1,
        new LeaseId(id),
        new WorkerId("worker-1"),
        Optional.empty(),
        Optional.empty());
  }

  static GroupRow decided(long id, GroupState state, StateReason reason) {
    return new GroupRow(
        new GroupId(id),
        GroupPurpose.TRAINING,
        new Task(0, 4, id),
        2,
        state,
        reason,
        1,
        new LeaseId(id),
        new WorkerId("worker-1"),
        Optional.of(new PolicyVersion(2)),
        Optional.of(
            new GroupRow.Admitted(
                new LeaseId(id),
                payload(id).digest(),
                new PolicyVersion(1),
                List.of(
                    new Outcome(0, Verdict.RIGHT, 1.0f, 12, false),
                    new Outcome(1, Verdict.WRONG, -0.1f, 15, true),
                    new Outcome(2, Verdict.UNDECIDED, 0.0f, 0, false)))));
  }

  static LeaseRow lease(long id) {
    return new LeaseRow(new LeaseId(id), new GroupId(id), new WorkerId("worker-1"));
  }

  static Payload payload(long id) {
    return payload(id, "payload " + id);
  }

  static Payload payload(long id, String text) {
    byte[] bytes = text.getBytes(UTF_8);
    return Payload.of(new GroupId(id), new LeaseId(id), new PayloadDigest(sha256(bytes)), bytes);
  }

  static BatchRow gold(long number, BatchState state) {
    var range = new GoldRange("addition/direct", 1, 0, 17, 128 * number, 128, 1, 3);
    return new BatchRow(
        new BatchNumber(number),
        1,
        state,
        "",
        Optional.of(range),
        BatchDigest.ofGold(new BatchNumber(number), range),
        0,
        0,
        0,
        0,
        0,
        false,
        true,
        true,
        0,
        state == BatchState.BOUND ? Optional.empty() : Optional.of(new LearnerEpoch(1)),
        state == BatchState.BOUND ? 0 : 1,
        0,
        Optional.empty());
  }

  static BatchRow replay(long number, int binding, BatchState state, List<UseRow> uses) {
    return new BatchRow(
        new BatchNumber(number),
        binding,
        state,
        state == BatchState.VOID ? "failed in three sessions" : "",
        Optional.empty(),
        BatchDigest.ofReplay(
            new BatchNumber(number),
            uses.stream().map(UseRow::use).toList(),
            uses.stream().map(use -> payload(use.use().group().value()).digest()).toList()),
        24,
        1,
        2,
        3,
        60,
        true,
        false,
        false,
        1,
        Optional.empty(),
        0,
        0,
        Optional.empty());
  }

  static UseRow use(long batch, int binding, int ordinal, long group, int member) {
    return new UseRow(
        new BatchNumber(batch),
        binding,
        ordinal,
        new Use(new GroupId(group), new LeaseId(group), member, 0.1 + 0.2, 1.0 / 3, 2, 12));
  }

  static VersionRow version(long version, boolean deleted) {
    return new VersionRow(
        new Manifest(
            new PolicyVersion(version),
            10 * version,
            version == 1 ? Optional.empty() : Optional.of(new BatchNumber(version)),
            "file:///checkpoints/v" + version,
            List.of(
                new Manifest.CheckpointFile("config.json", 11, "a".repeat(64)),
                new Manifest.CheckpointFile("a name with blanks", 12, "b".repeat(64))),
            Lineage.root(),
            true),
        new PolicyVersion(version - 1),
        new LearnerEpoch(1),
        version,
        version,
        version == 1,
        deleted);
  }

  static StratumRow stratum(int stratum) {
    return new StratumRow(
        0,
        stratum,
        0.1 + 0.2,
        1e-17,
        Map.of(GroupPurpose.TRAINING, 17L, GroupPurpose.EVALUATION, 3L),
        5,
        List.of(7L, 11L));
  }

  static EvaluationRow evaluation(long version, boolean confirmation, int set, boolean finished) {
    return new EvaluationRow(
        new PolicyVersion(version),
        confirmation,
        set,
        version,
        finished,
        3,
        Duration.ofMillis(5),
        false,
        List.of(new StratumResult(0, 1, 99, 100), new StratumResult(0, 2, 7, 50)));
  }

  static LearnerRow learner(long epoch) {
    return new LearnerRow(new LearnerEpoch(epoch), new LearnerId("learner-" + epoch));
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
