package io.gradus.worker.group;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Ending;
import io.gradus.core.task.Problem;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import io.gradus.rollout.v1.VersionSpan;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.engine.SampledCompletion;
import io.gradus.worker.lease.LeasedGroup;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/// Verifies the completions of a group and serializes it. Called by the engine's thread only.
public final class GroupFinisher {

  private final MessageDigest sha256;
  private long verified;
  private long right;
  private long truncated;

  public GroupFinisher() {
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }

  /// Judges and serializes.
  ///
  /// @param promptIds the prompt without a hint, whatever was sampled on
  /// @param temperature at which the completions were sampled; 0 is greedy
  /// @param completions one for each member that the lease asks for, in their order
  public FinishedGroup finish(
      LeasedGroup group,
      Problem problem,
      int[] promptIds,
      float temperature,
      LoadedPolicy policy,
      List<SampledCompletion> completions) {
    if (completions.size() != group.members().size()) {
      throw new IllegalStateException(
          "group %s asks for %d members but %d were sampled"
              .formatted(group.group(), group.members().size(), completions.size()));
    }
    var payload =
        GroupPayload.newBuilder()
            .setRunId(group.run().runId())
            .setGroupId(group.group().value())
            .setLeaseId(group.lease().value())
            .setPromptIds(littleEndian(promptIds))
            .setTemperature(temperature)
            .setHinted(group.purpose() == GroupPurpose.RATIONALIZATION);
    for (int i = 0; i < completions.size(); i++) {
      payload.addTrajectories(
          trajectory(group, group.members().get(i), problem, policy, completions.get(i)));
    }
    byte[] message = payload.build().toByteArray();
    byte[] bytes = group.run().takesCompressed() ? PayloadEncoding.compressed(message) : message;
    return new FinishedGroup(
        group,
        UnsafeByteOperations.unsafeWrap(bytes),
        UnsafeByteOperations.unsafeWrap(sha256.digest(bytes)));
  }

  /// Completions judged so far.
  public long verified() {
    return verified;
  }

  /// Completions found right so far.
  public long right() {
    return right;
  }

  /// Completions so far that their token limit cut.
  public long truncated() {
    return truncated;
  }

  private Trajectory trajectory(
      LeasedGroup group,
      int member,
      Problem problem,
      LoadedPolicy policy,
      SampledCompletion completion) {
    Ending ending = completion.ending();
    io.gradus.core.group.Verdict verdict = problem.verify(policy.text(completion.ids()), ending);
    verified++;
    right += verdict == io.gradus.core.group.Verdict.RIGHT ? 1 : 0;
    truncated += ending == Ending.TOKEN_LIMIT ? 1 : 0;
    var trajectory =
        Trajectory.newBuilder()
            .setMember(member)
            .setCompletionIds(littleEndian(completion.ids()))
            .setLogprobs(littleEndian(completion.logprobs()))
            .addSpans(span(policy.version(), completion.ids().length))
            .setFinishReason(
                switch (ending) {
                  case END_OF_SEQUENCE -> FinishReason.FINISH_REASON_EOS;
                  case TOKEN_LIMIT -> FinishReason.FINISH_REASON_LENGTH;
                })
            .setVerdict(
                switch (verdict) {
                  case RIGHT -> Verdict.VERDICT_RIGHT;
                  case WRONG -> Verdict.VERDICT_WRONG;
                  case UNDECIDED -> Verdict.VERDICT_UNDECIDED;
                })
            .setReward(group.run().rewarding().reward(verdict, ending));
    if (!group.run().rewarding().carriesLoss(ending)) {
      trajectory.setLossMask(UnsafeByteOperations.unsafeWrap(new byte[completion.ids().length]));
    }
    return trajectory.build();
  }

  private static VersionSpan span(PolicyVersion version, int end) {
    return VersionSpan.newBuilder().setPolicyVersion(version.value()).setEnd(end).build();
  }

  private static ByteString littleEndian(int[] ids) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Integer.BYTES * ids.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(ids);
    return UnsafeByteOperations.unsafeWrap(bytes);
  }

  private static ByteString littleEndian(float[] logprobs) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * logprobs.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(logprobs);
    return UnsafeByteOperations.unsafeWrap(bytes);
  }
}
