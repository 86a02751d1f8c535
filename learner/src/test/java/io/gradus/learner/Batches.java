package io.gradus.learner;

import com.google.protobuf.ByteString;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.Problem;
import io.gradus.learner.batch.BatchAssembly;
import io.gradus.learner.batch.BatchReader;
import io.gradus.learner.batch.RefusedBatchException;
import io.gradus.learner.batch.TrainingBatch;
import io.gradus.learner.objective.Objective;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.BatchSource;
import io.gradus.learner.v1.GoldRange;
import io.gradus.learner.v1.PayloadFrame;
import io.gradus.learner.v1.PayloadPart;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import io.gradus.rollout.v1.VersionSpan;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/// Makes batches as a coordinator would send them.
public final class Batches {

  public static final CharacterVocabulary VOCABULARY = CharacterVocabulary.of("0123456789+=#!*");
  private static final Addition ADDITION = new Addition(ArithmeticFormat.DIRECT);

  /// Small, so that payloads come in several parts.
  private static final int PART_BYTES = 40;

  private Batches() {}

  /// Gold text of one and two digits.
  public static FakeBatch gold(long number, UnaryOperator<BatchHeader.Builder> change) {
    var range =
        new io.gradus.core.batch.GoldRange(
            ADDITION.generator(), 1, 0, 7, (number - 1) * 8, 8, 1, 2);
    var header =
        BatchHeader.newBuilder()
            .setBatch(number)
            .setSha256(bytes(BatchDigest.ofGold(new BatchNumber(number), range).hex()))
            .setMinibatches(1)
            .setEpochs(1)
            .setSource(BatchSource.BATCH_SOURCE_GOLD)
            .setGold(
                GoldRange.newBuilder()
                    .setGenerator(range.generator())
                    .setGeneratorVersion(1)
                    .setSeed(7)
                    .setFirstIndex(range.firstIndex())
                    .setCount(8)
                    .setFirstStratum(1)
                    .setLastStratum(2));
    return new FakeBatch(List.of(message(change.apply(header).build())));
  }

  /// Right answers to so many problems, a group each.
  public static FakeBatch replay(
      long number, int groups, UnaryOperator<BatchHeader.Builder> change) {
    var payloads = new ArrayList<GroupPayload>();
    for (int i = 0; i < groups; i++) {
      payloads.add(group(1000 * number + i, 1 + i % 3, Verdict.VERDICT_RIGHT));
    }
    return replay(number, payloads, 0, change);
  }

  /// One use of each payload.
  ///
  /// @param member the member that each use is of, or -1
  public static FakeBatch replay(
      long number,
      List<GroupPayload> payloads,
      int member,
      UnaryOperator<BatchHeader.Builder> change) {
    var uses = new ArrayList<Use>();
    var digests = new ArrayList<PayloadDigest>();
    var frames = new ArrayList<StreamBatchesResponse>();
    long bytes = 0;
    long tokens = 0;
    var header =
        BatchHeader.newBuilder()
            .setBatch(number)
            .setMinibatches(1)
            .setEpochs(1)
            .setSource(BatchSource.BATCH_SOURCE_REPLAY)
            .setGroups(payloads.size());
    for (GroupPayload payload : payloads) {
      byte[] data = payload.toByteArray();
      byte[] digest = sha256(data);
      bytes += data.length;
      double passRate =
          payload.getTrajectoriesList().stream()
              .mapToDouble(t -> t.getVerdict() == Verdict.VERDICT_RIGHT ? 1 : 0)
              .average()
              .orElse(0);
      for (Trajectory trajectory : payload.getTrajectoriesList()) {
        if (member == -1 || trajectory.getMember() == member) {
          tokens += carrying(trajectory);
        }
      }
      uses.add(
          new Use(
              new GroupId(payload.getGroupId()),
              new LeaseId(payload.getLeaseId()),
              member,
              1,
              passRate,
              0,
              0));
      digests.add(new PayloadDigest(HexFormat.of().formatHex(digest)));
      header.addUses(
          io.gradus.learner.v1.Use.newBuilder()
              .setGroupId(payload.getGroupId())
              .setLeaseId(payload.getLeaseId())
              .setMember(member)
              .setProbability(1)
              .setPassRate(passRate));
      frames.addAll(frames(number, payload.getGroupId(), data, digest));
    }
    header
        .setSha256(bytes(BatchDigest.ofReplay(new BatchNumber(number), uses, digests).hex()))
        .setCompletionTokens(tokens)
        .setPayloadBytes(bytes);
    var messages = new ArrayList<StreamBatchesResponse>();
    messages.add(message(change.apply(header).build()));
    messages.addAll(frames);
    return new FakeBatch(messages);
  }

  /// What a learner makes of a batch.
  public static TrainingBatch read(FakeBatch batch, Objective objective)
      throws RefusedBatchException {
    var assembly = new BatchAssembly(batch.header().getBatch());
    for (StreamBatchesResponse message : batch.messages()) {
      Optional<BatchAssembly.Assembled> whole = assembly.accept(message);
      if (whole.isPresent()) {
        return new BatchReader(FakeRun.RUN, VOCABULARY, objective).read(whole.get());
      }
    }
    throw new IllegalStateException("the batch is not whole");
  }

  /// A group of one.
  public static GroupPayload group(long id, int stratum, Verdict verdict) {
    return group(id, stratum, List.of(verdict));
  }

  /// A group with a member of each verdict; wrong ones answer with the first digit changed.
  public static GroupPayload group(long id, int stratum, List<Verdict> verdicts) {
    Problem problem = ADDITION.problem(1, GroupPurpose.TRAINING, stratum, id);
    var payload =
        GroupPayload.newBuilder()
            .setRunId(FakeRun.RUN)
            .setGroupId(id)
            .setLeaseId(10_000 + id)
            .setTemperature(1)
            .setPromptIds(ints(prompt(problem.prompt())));
    for (int member = 0; member < verdicts.size(); member++) {
      boolean isRight = verdicts.get(member) == Verdict.VERDICT_RIGHT;
      int[] completion = completion(problem.answer());
      if (!isRight) {
        completion[0] = (completion[0] + 1) % 10;
      }
      var logprobs = new float[completion.length];
      for (int t = 0; t < logprobs.length; t++) {
        logprobs[t] = -2.5f + 0.1f * t - 0.05f * member;
      }
      payload.addTrajectories(
          Trajectory.newBuilder()
              .setMember(member)
              .setCompletionIds(ints(completion))
              .setLogprobs(floats(logprobs))
              .addSpans(VersionSpan.newBuilder().setPolicyVersion(1).setEnd(completion.length))
              .setFinishReason(FinishReason.FINISH_REASON_EOS)
              .setVerdict(verdicts.get(member))
              .setReward(isRight ? 1 : 0));
    }
    return payload.build();
  }

  /// Uses of several members of one group.
  public static FakeBatch replayMembers(long number, GroupPayload payload, List<Integer> members) {
    byte[] data = payload.toByteArray();
    byte[] digest = sha256(data);
    var uses = new ArrayList<Use>();
    var header =
        BatchHeader.newBuilder()
            .setBatch(number)
            .setMinibatches(1)
            .setEpochs(1)
            .setSource(BatchSource.BATCH_SOURCE_REPLAY)
            .setGroups(1)
            .setPayloadBytes(data.length);
    long tokens = 0;
    for (int member : members) {
      var group = new GroupId(payload.getGroupId());
      uses.add(new Use(group, new LeaseId(payload.getLeaseId()), member, 0.5, 1, 0, 0));
      tokens += carrying(payload.getTrajectories(member));
      header.addUses(
          io.gradus.learner.v1.Use.newBuilder()
              .setGroupId(payload.getGroupId())
              .setLeaseId(payload.getLeaseId())
              .setMember(member)
              .setProbability(0.5)
              .setPassRate(1));
    }
    List<PayloadDigest> digests =
        Collections.nCopies(members.size(), new PayloadDigest(HexFormat.of().formatHex(digest)));
    header
        .setCompletionTokens(tokens)
        .setSha256(bytes(BatchDigest.ofReplay(new BatchNumber(number), uses, digests).hex()));
    var messages = new ArrayList<StreamBatchesResponse>();
    messages.add(message(header.build()));
    messages.addAll(frames(number, payload.getGroupId(), data, digest));
    return new FakeBatch(messages);
  }

  private static int carrying(Trajectory trajectory) {
    if (trajectory.getLossMask().isEmpty()) {
      return trajectory.getCompletionIds().size() / Integer.BYTES;
    }
    int carrying = 0;
    for (byte bit : trajectory.getLossMask().toByteArray()) {
      carrying += bit;
    }
    return carrying;
  }

  private static List<StreamBatchesResponse> frames(
      long batch, long group, byte[] data, byte[] digest) {
    var frames = new ArrayList<StreamBatchesResponse>();
    for (int from = 0; from < data.length; from += PART_BYTES) {
      int to = Math.min(data.length, from + PART_BYTES);
      var part =
          PayloadPart.newBuilder()
              .setGroupId(group)
              .setData(ByteString.copyFrom(data, from, to - from));
      if (to == data.length) {
        part.setSha256(ByteString.copyFrom(digest));
      }
      frames.add(
          StreamBatchesResponse.newBuilder()
              .setFrame(PayloadFrame.newBuilder().setBatch(batch).addParts(part))
              .build());
    }
    return frames;
  }

  private static int[] prompt(String text) {
    int[] ids = VOCABULARY.encode(text);
    var prompt = new int[ids.length + 1];
    prompt[0] = VOCABULARY.bos();
    System.arraycopy(ids, 0, prompt, 1, ids.length);
    return prompt;
  }

  private static int[] completion(String text) {
    int[] ids = VOCABULARY.encode(text);
    var completion = new int[ids.length + 1];
    System.arraycopy(ids, 0, completion, 0, ids.length);
    completion[ids.length] = VOCABULARY.eos();
    return completion;
  }

  private static ByteString ints(int[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Integer.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(values);
    return ByteString.copyFrom(bytes);
  }

  public static ByteString floats(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return ByteString.copyFrom(bytes);
  }

  private static StreamBatchesResponse message(BatchHeader header) {
    return StreamBatchesResponse.newBuilder().setHeader(header).build();
  }

  private static ByteString bytes(String hex) {
    return ByteString.copyFrom(HexFormat.of().parseHex(hex));
  }

  private static byte[] sha256(byte[] data) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(data);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
