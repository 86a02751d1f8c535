package io.gradus.coordinator.audit;

import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.core.group.PayloadEncoding.PayloadEncodingException;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.TaskFamily;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.VersionSpan;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/// Reads payloads again, and holds them against what was admitted.
final class PayloadAudit {

  private final AuditedRun run;
  private final MessageDigest sha256;

  PayloadAudit(AuditedRun run) {
    this.run = run;
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }

  /// Checks a payload of a group, which may have lost against another lease.
  void check(String name, Payload payload, GroupRow group) {
    sha256.update(payload.bytes());
    String digest = HexFormat.of().formatHex(sha256.digest());
    if (!digest.equals(payload.digest().hex())) {
      run.findings()
          .add(
              Rule.PAYLOAD_DIGEST,
              name,
              "its %d bytes have the SHA-256 %s but its digest is %s",
              payload.size(),
              digest,
              payload.digest().hex());
      return;
    }
    try {
      agree(name, payload, GroupPayload.parseFrom(PayloadEncoding.message(payload.bytes())), group);
    } catch (PayloadEncodingException | InvalidProtocolBufferException damaged) {
      run.findings()
          .add(
              Rule.PAYLOAD_AGREES,
              name,
              "is no GroupPayload: %s",
              String.valueOf(damaged.getMessage()));
    }
  }

  private void agree(String name, Payload stored, GroupPayload payload, GroupRow group) {
    if (!payload.getRunId().equals(run.runId())
        || payload.getGroupId() != stored.group().value()
        || payload.getLeaseId() != stored.lease().value()) {
      run.findings()
          .add(
              Rule.PAYLOAD_AGREES,
              name,
              "says that it is of run %s, group %d, lease %d",
              payload.getRunId(),
              payload.getGroupId(),
              payload.getLeaseId());
    }
    prompt(name, payload, group);
    group
        .admitted()
        .filter(admitted -> admitted.lease().equals(stored.lease()))
        .ifPresent(admitted -> admitted(name, stored, payload, admitted));
  }

  private void prompt(String name, GroupPayload payload, GroupRow group) {
    boolean isHinted = group.purpose() == GroupPurpose.RATIONALIZATION;
    if (payload.getHinted() != isHinted) {
      run.findings()
          .add(
              Rule.PROMPT_WITHOUT_HINT,
              name,
              "says that it was sampled %s a hint, but the group is for %s",
              payload.getHinted() ? "with" : "without",
              group.purpose());
    }
    if (!run.isCharacterModel() || group.task().source() >= run.plan().sources().size()) {
      return;
    }
    RunPlan.Source source = run.plan().sources().get(group.task().source());
    int expected =
        1
            + TaskFamily.named(source.generator(), source.generatorVersion())
                .problem(
                    run.plan().seed(),
                    group.purpose(),
                    group.task().stratum(),
                    group.task().index())
                .prompt()
                .length();
    int found = payload.getPromptIds().size() / Integer.BYTES;
    if (found != expected) {
      run.findings()
          .add(
              Rule.PROMPT_WITHOUT_HINT,
              name,
              "its prompt has %d tokens, but the task's own has %d with BOS",
              found,
              expected);
    }
  }

  private void admitted(
      String name, Payload stored, GroupPayload payload, GroupRow.Admitted admitted) {
    if (!stored.digest().equals(admitted.digest())) {
      run.findings()
          .add(
              Rule.PAYLOAD_DIGEST,
              name,
              "has digest %s but %s was admitted",
              stored.digest().hex(),
              admitted.digest().hex());
    }
    List<Outcome> outcomes;
    try {
      outcomes = payload.getTrajectoriesList().stream().map(PayloadAudit::outcome).toList();
    } catch (IllegalArgumentException impossible) {
      run.findings().add(Rule.PAYLOAD_AGREES, name, "%s", String.valueOf(impossible.getMessage()));
      return;
    }
    if (!outcomes.equals(admitted.outcomes())) {
      run.findings()
          .add(
              Rule.PAYLOAD_AGREES,
              name,
              "its trajectories are %s but %s were admitted",
              outcomes,
              admitted.outcomes());
    }
    long oldest =
        payload.getTrajectoriesList().stream()
            .flatMap(trajectory -> trajectory.getSpansList().stream())
            .mapToLong(VersionSpan::getPolicyVersion)
            .min()
            .orElse(0);
    PolicyVersion recorded = admitted.oldestVersion();
    run.findings()
        .expect(Rule.PAYLOAD_AGREES, name, "its oldest version", oldest, recorded.value());
  }

  private static Outcome outcome(Trajectory trajectory) {
    int tokens = trajectory.getCompletionIds().size() / Integer.BYTES;
    int carryingLoss = tokens;
    if (!trajectory.getLossMask().isEmpty()) {
      carryingLoss = 0;
      for (byte bit : trajectory.getLossMask()) {
        carryingLoss += bit;
      }
    }
    return new Outcome(
        trajectory.getMember(),
        switch (trajectory.getVerdict()) {
          case VERDICT_RIGHT -> Verdict.RIGHT;
          case VERDICT_WRONG -> Verdict.WRONG;
          case VERDICT_UNDECIDED -> Verdict.UNDECIDED;
          case VERDICT_UNSPECIFIED, UNRECOGNIZED ->
              throw new IllegalArgumentException(
                  "member %d has no verdict".formatted(trajectory.getMember()));
        },
        trajectory.getReward(),
        carryingLoss,
        trajectory.getFinishReason() == FinishReason.FINISH_REASON_LENGTH);
  }
}
