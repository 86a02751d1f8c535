package io.gradus.benchmarks.load;

import com.google.protobuf.ByteString;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import io.gradus.rollout.v1.VersionSpan;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Makes payloads of one right trajectory, as a worker serializes them, of bytes that do not
/// compress.
final class PayloadMaker {

  /// As many different ones as it takes that no cache mistakes one for another.
  private static final int KINDS = 64;

  private static final ByteString PROMPT = ids(new SplittableRandom(1), 4);

  private final List<Trajectory> trajectories = new ArrayList<>(KINDS);

  /// @param tokens of the completion
  PayloadMaker(int tokens, long seed) {
    var random = new SplittableRandom(seed);
    for (int kind = 0; kind < KINDS; kind++) {
      ByteBuffer logprobs =
          ByteBuffer.allocate(Float.BYTES * tokens).order(ByteOrder.LITTLE_ENDIAN);
      for (int token = 0; token < tokens; token++) {
        logprobs.putFloat((float) -random.nextDouble());
      }
      trajectories.add(
          Trajectory.newBuilder()
              .setMember(0)
              .setCompletionIds(ids(random, tokens))
              .setLogprobs(ByteString.copyFrom(logprobs.flip()))
              .addSpans(VersionSpan.newBuilder().setPolicyVersion(1).setEnd(tokens))
              .setFinishReason(FinishReason.FINISH_REASON_EOS)
              .setVerdict(Verdict.VERDICT_RIGHT)
              .setReward(1)
              .build());
    }
  }

  private static ByteString ids(SplittableRandom random, int tokens) {
    ByteBuffer ids = ByteBuffer.allocate(Integer.BYTES * tokens).order(ByteOrder.LITTLE_ENDIAN);
    for (int token = 0; token < tokens; token++) {
      ids.putInt(random.nextInt(1 << 17));
    }
    return ByteString.copyFrom(ids.flip());
  }

  /// The payload of a lease, in one part.
  GroupPart partOf(String runId, Lease lease) {
    ByteString data =
        GroupPayload.newBuilder()
            .setRunId(runId)
            .setGroupId(lease.getGroupId())
            .setLeaseId(lease.getLeaseId())
            .setPromptIds(PROMPT)
            .setTemperature(1)
            .addTrajectories(trajectories.get((int) (lease.getLeaseId() % KINDS)))
            .build()
            .toByteString();
    return GroupPart.newBuilder()
        .setRunId(runId)
        .setGroupId(lease.getGroupId())
        .setLeaseId(lease.getLeaseId())
        .setData(data)
        .setSha256(sha256(data))
        .build();
  }

  private static ByteString sha256(ByteString data) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(data.asReadOnlyByteBuffer());
      return ByteString.copyFrom(digest.digest());
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
