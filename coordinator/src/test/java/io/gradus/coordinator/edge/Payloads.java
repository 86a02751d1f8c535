package io.gradus.coordinator.edge;

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
import java.util.ArrayList;
import java.util.List;

/// Payloads as a worker would send them.
public final class Payloads {

  private Payloads() {}

  public static ByteString ids(int... ids) {
    var buffer = ByteBuffer.allocate(4 * ids.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int id : ids) {
      buffer.putInt(id);
    }
    return ByteString.copyFrom(buffer.flip());
  }

  public static ByteString logprobs(float... logprobs) {
    var buffer = ByteBuffer.allocate(4 * logprobs.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float logprob : logprobs) {
      buffer.putFloat(logprob);
    }
    return ByteString.copyFrom(buffer.flip());
  }

  /// A sound payload of one right trajectory of two tokens.
  public static GroupPayload.Builder of(String runId, long group, long lease) {
    return GroupPayload.newBuilder()
        .setRunId(runId)
        .setGroupId(group)
        .setLeaseId(lease)
        .setPromptIds(ids(1, 10, 2, 11))
        .setTemperature(1)
        .addTrajectories(
            Trajectory.newBuilder()
                .setMember(0)
                .setCompletionIds(ids(3, 16))
                .setLogprobs(logprobs(-0.5f, -0.25f))
                .addSpans(VersionSpan.newBuilder().setPolicyVersion(1).setEnd(2))
                .setFinishReason(FinishReason.FINISH_REASON_EOS)
                .setVerdict(Verdict.VERDICT_RIGHT)
                .setReward(1));
  }

  public static GroupPayload of(String runId, Lease lease) {
    return of(runId, lease.getGroupId(), lease.getLeaseId()).build();
  }

  /// The parts of a payload, of at most `partBytes` each.
  public static List<GroupPart> parts(GroupPayload payload, int partBytes) {
    byte[] bytes = payload.toByteArray();
    var parts = new ArrayList<GroupPart>();
    for (int start = 0; start < bytes.length; start += partBytes) {
      int size = Math.min(partBytes, bytes.length - start);
      var part =
          GroupPart.newBuilder()
              .setRunId(payload.getRunId())
              .setGroupId(payload.getGroupId())
              .setLeaseId(payload.getLeaseId())
              .setData(ByteString.copyFrom(bytes, start, size));
      if (start + size == bytes.length) {
        part.setSha256(ByteString.copyFrom(PayloadReader.sha256(bytes)));
      }
      parts.add(part.build());
    }
    return parts;
  }
}
