package io.gradus.coordinator.edge;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.run.RunCommand.SubmittedGroup;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.core.group.PayloadEncoding.PayloadEncodingException;
import io.gradus.core.group.Verdict;
import io.gradus.core.policy.PolicyVersion;
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

/// Checks the payload of a group and says what the decider must know of it.
///
/// The bytes go to the learner as they are, so this is where a malformed payload must be found: a
/// length that does not match, a hole between spans, a probability above 1.
final class PayloadReader {

  /// Larger than any vocabulary.
  static final int MAX_TOKEN_ID = 1 << 24;

  /// What rounding may add to the logarithm of a probability of 1.
  private static final float LOGPROB_TOLERANCE = 1e-3f;

  private final SchemaRules rules;
  private final int maxBytes;

  /// @param maxBytes most bytes of a message, whatever it was compressed to
  PayloadReader(SchemaRules rules, int maxBytes) {
    this.rules = rules;
    this.maxBytes = maxBytes;
  }

  /// A payload that is sound.
  record Read(String runId, Payload payload, SubmittedGroup group) {}

  /// Reads a payload.
  ///
  /// @param sha256 what the worker says its digest is
  /// @throws io.grpc.StatusRuntimeException INVALID_ARGUMENT when it is not sound
  Read read(String runId, long groupId, long leaseId, byte[] bytes, ByteString sha256) {
    byte[] digest = sha256(bytes);
    if (!MessageDigest.isEqual(digest, sha256.toByteArray())) {
      throw Refusals.invalid(
          "parts.sha256",
          "is not the SHA-256 of the %d bytes of group %d under lease %d that arrived"
              .formatted(bytes.length, groupId, leaseId));
    }
    GroupPayload payload;
    try {
      payload = GroupPayload.parseFrom(PayloadEncoding.message(ByteBuffer.wrap(bytes), maxBytes));
    } catch (PayloadEncodingException damaged) {
      throw Refusals.invalid(
          "parts.data", "of group %d %s".formatted(groupId, damaged.getMessage()));
    } catch (InvalidProtocolBufferException damaged) {
      throw Refusals.invalid("parts.data", "of group %d is no GroupPayload".formatted(groupId));
    }
    rules.require(payload);
    if (!payload.getRunId().equals(runId)
        || payload.getGroupId() != groupId
        || payload.getLeaseId() != leaseId) {
      throw Refusals.invalid(
          "parts.data",
          "is the payload of run %s, group %d, lease %d, but its parts say %s, %d, %d"
              .formatted(
                  payload.getRunId(),
                  payload.getGroupId(),
                  payload.getLeaseId(),
                  runId,
                  groupId,
                  leaseId));
    }
    tokens("prompt_ids", payload.getPromptIds());
    var outcomes = new ArrayList<Outcome>(payload.getTrajectoriesCount());
    long oldest = Long.MAX_VALUE;
    int previous = -1;
    for (int index = 0; index < payload.getTrajectoriesCount(); index++) {
      Trajectory trajectory = payload.getTrajectories(index);
      String path = "trajectories[" + index + "].";
      if (trajectory.getMember() <= previous) {
        throw Refusals.invalid(
            path + "member",
            "is %d after %d; members are distinct and rise"
                .formatted(trajectory.getMember(), previous));
      }
      previous = trajectory.getMember();
      int tokens = tokens(path + "completion_ids", trajectory.getCompletionIds());
      logprobs(path + "logprobs", trajectory.getLogprobs(), tokens);
      for (VersionSpan span : spans(path + "spans", trajectory.getSpansList(), tokens)) {
        oldest = Math.min(oldest, span.getPolicyVersion());
      }
      outcomes.add(
          new Outcome(
              trajectory.getMember(),
              verdict(trajectory.getVerdict()),
              trajectory.getReward(),
              carryingLoss(path + "loss_mask", trajectory.getLossMask(), tokens),
              trajectory.getFinishReason() == FinishReason.FINISH_REASON_LENGTH));
    }
    var group = new GroupId(groupId);
    var lease = new LeaseId(leaseId);
    var named = new PayloadDigest(HexFormat.of().formatHex(digest));
    return new Read(
        runId,
        Payload.of(group, lease, named, bytes),
        new SubmittedGroup(group, lease, named, new PolicyVersion(oldest), outcomes));
  }

  private static int tokens(String path, ByteString ids) {
    if (ids.size() % Integer.BYTES != 0) {
      throw Refusals.invalid(
          path, "has %d bytes, which is no whole number of int32".formatted(ids.size()));
    }
    ByteBuffer buffer = ids.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      int id = buffer.getInt();
      if (id < 0 || id >= MAX_TOKEN_ID) {
        throw Refusals.invalid(
            path,
            "has %d as token %d, which no vocabulary has; ids are little-endian int32"
                .formatted(id, buffer.position() / Integer.BYTES - 1));
      }
    }
    return ids.size() / Integer.BYTES;
  }

  private static void logprobs(String path, ByteString logprobs, int tokens) {
    if (logprobs.size() != tokens * Float.BYTES) {
      throw Refusals.invalid(
          path,
          "has %d bytes but the completion has %d tokens, which makes %d"
              .formatted(logprobs.size(), tokens, tokens * Float.BYTES));
    }
    ByteBuffer buffer = logprobs.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      float logprob = buffer.getFloat();
      if (!(logprob <= LOGPROB_TOLERANCE) || logprob == Float.NEGATIVE_INFINITY) {
        throw Refusals.invalid(
            path,
            "has %s at token %d; a natural-log probability is finite and at most 0"
                .formatted(logprob, buffer.position() / Float.BYTES - 1));
      }
    }
  }

  private static List<VersionSpan> spans(String path, List<VersionSpan> spans, int tokens) {
    int end = 0;
    for (VersionSpan span : spans) {
      if (span.getEnd() <= end) {
        throw Refusals.invalid(
            path, "ends at %d after %d; spans are in order".formatted(span.getEnd(), end));
      }
      end = span.getEnd();
    }
    if (end != tokens) {
      throw Refusals.invalid(
          path, "cover %d tokens but the completion has %d".formatted(end, tokens));
    }
    return spans;
  }

  private static int carryingLoss(String path, ByteString mask, int tokens) {
    if (mask.isEmpty()) {
      return tokens;
    }
    if (mask.size() != tokens) {
      throw Refusals.invalid(
          path, "has %d bytes but the completion has %d tokens".formatted(mask.size(), tokens));
    }
    int carrying = 0;
    for (int token = 0; token < tokens; token++) {
      byte bit = mask.byteAt(token);
      if (bit != 0 && bit != 1) {
        throw Refusals.invalid(path, "has %d at token %d; 0 or 1".formatted(bit, token));
      }
      carrying += bit;
    }
    return carrying;
  }

  private static Verdict verdict(io.gradus.rollout.v1.Verdict verdict) {
    return switch (verdict) {
      case VERDICT_RIGHT -> Verdict.RIGHT;
      case VERDICT_WRONG -> Verdict.WRONG;
      case VERDICT_UNDECIDED -> Verdict.UNDECIDED;
      case VERDICT_UNSPECIFIED, UNRECOGNIZED ->
          throw Refusals.invalid("trajectories.verdict", "is not a verdict");
    };
  }

  static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
