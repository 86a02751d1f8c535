package io.gradus.testsupport;

import com.google.protobuf.ByteString;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.Verdict;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.Ending;
import io.gradus.core.task.Problem;
import io.gradus.core.task.TaskFamily;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.VersionSpan;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.random.RandomGenerator;

/// Answers tasks as a policy would that is right now and then, more often in easy strata.
final class ScriptedSampler {

  /// The arithmetic alphabet; EOS and BOS stand between `=` and `#`.
  private static final String CHARACTERS = "0123456789+=  #!*";

  private static final int EOS = 12;
  private static final int BOS = 13;

  private final String runId;
  private final RunPlan plan;
  private final RandomGenerator random;

  ScriptedSampler(String runId, RunPlan plan, RandomGenerator random) {
    this.runId = runId;
    this.plan = plan;
    this.random = random;
  }

  /// Samples some members of a lease, verifies them and serializes the group.
  SampledPayload sample(Effect.Grant grant, int members, PolicyVersion version) {
    RunPlan.Source source = plan.sources().get(grant.task().source());
    Problem problem =
        TaskFamily.named(source.generator(), source.generatorVersion())
            .problem(plan.seed(), grant.purpose(), grant.task().stratum(), grant.task().index());
    var payload =
        GroupPayload.newBuilder()
            .setRunId(runId)
            .setGroupId(grant.group().value())
            .setLeaseId(grant.lease().value())
            .setPromptIds(ids(BOS, problem.prompt(), -1))
            .setTemperature(grant.purpose().isTraining() ? 1 : 0)
            .setHinted(grant.purpose() == GroupPurpose.RATIONALIZATION);
    var outcomes = new ArrayList<Outcome>();
    for (int member : grant.members().subList(0, members)) {
      Trajectory trajectory = answer(grant, problem, member, version);
      payload.addTrajectories(trajectory);
      outcomes.add(
          new Outcome(
              member,
              trajectory.getVerdict() == io.gradus.rollout.v1.Verdict.VERDICT_RIGHT
                  ? Verdict.RIGHT
                  : Verdict.WRONG,
              trajectory.getReward(),
              trajectory.getCompletionIds().size() / Integer.BYTES,
              trajectory.getFinishReason() == FinishReason.FINISH_REASON_LENGTH));
    }
    ByteString bytes = payload.build().toByteString();
    return new SampledPayload(
        grant.group(), grant.lease(), digest(bytes), bytes, version, List.copyOf(outcomes));
  }

  private Trajectory answer(
      Effect.Grant grant, Problem problem, int member, PolicyVersion version) {
    double skill = grant.purpose().isTraining() ? 1.0 / grant.task().stratum() : 0.95;
    boolean isRight = random.nextDouble() < skill;
    boolean isCut = !isRight && random.nextDouble() < 0.2;
    String answer = isRight ? problem.answer() : "0".repeat(problem.answer().length() - 1) + "+";
    String completion = (problem.format().hasRationale() ? "1#" : "") + answer;
    boolean isVerified =
        problem.verify(completion, isCut ? Ending.TOKEN_LIMIT : Ending.END_OF_SEQUENCE)
            == Verdict.RIGHT;
    ByteString ids = ids(-1, completion, isCut ? -1 : EOS);
    int tokens = ids.size() / Integer.BYTES;
    return Trajectory.newBuilder()
        .setMember(member)
        .setCompletionIds(ids)
        .setLogprobs(ByteString.copyFrom(new byte[Float.BYTES * tokens]))
        .addSpans(VersionSpan.newBuilder().setPolicyVersion(version.value()).setEnd(tokens))
        .setFinishReason(isCut ? FinishReason.FINISH_REASON_LENGTH : FinishReason.FINISH_REASON_EOS)
        .setVerdict(
            isVerified
                ? io.gradus.rollout.v1.Verdict.VERDICT_RIGHT
                : io.gradus.rollout.v1.Verdict.VERDICT_WRONG)
        .setReward(isVerified ? 1 : 0)
        .build();
  }

  private static ByteString ids(int first, String text, int last) {
    List<Integer> ids = new ArrayList<>();
    if (first >= 0) {
      ids.add(first);
    }
    text.chars().forEach(character -> ids.add(CHARACTERS.indexOf(character)));
    if (last >= 0) {
      ids.add(last);
    }
    ByteBuffer bytes =
        ByteBuffer.allocate(Integer.BYTES * ids.size()).order(ByteOrder.LITTLE_ENDIAN);
    ids.forEach(bytes::putInt);
    return ByteString.copyFrom(bytes.flip());
  }

  private static PayloadDigest digest(ByteString bytes) {
    try {
      return new PayloadDigest(
          HexFormat.of()
              .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.toByteArray())));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
