package io.gradus.learner.batch;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.core.group.PayloadEncoding.PayloadEncodingException;
import io.gradus.learner.batch.BatchAssembly.Assembled;
import io.gradus.learner.batch.BatchAssembly.ReceivedPayload;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Objective;
import io.gradus.learner.objective.RecordedTrajectory;
import io.gradus.learner.objective.Star;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.training.TrainingRow;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Checks received batches and reads them into examples. Called by one thread at a time, which is
/// not the one that trains.
public final class BatchReader {

  private final String runId;
  private final CharacterVocabulary vocabulary;
  private final Objective objective;
  private final MessageDigest sha256;

  /// @param vocabulary writes gold text
  /// @param objective what samples are trained by
  public BatchReader(String runId, CharacterVocabulary vocabulary, Objective objective) {
    this.runId = runId;
    this.vocabulary = vocabulary;
    this.objective = objective;
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }

  /// The batch that was received.
  ///
  /// @throws RefusedBatchException if its digest does not come out, or it is not what its header
  ///   says
  public TrainingBatch read(Assembled assembled) throws RefusedBatchException {
    try {
      return switch (assembled.header().getSource()) {
        case BATCH_SOURCE_GOLD -> gold(assembled.header());
        case BATCH_SOURCE_REPLAY -> replay(assembled);
        case BATCH_SOURCE_UNSPECIFIED, UNRECOGNIZED ->
            throw new RefusedBatchException(
                "its source is one that this build does not know (%d)"
                    .formatted(assembled.header().getSourceValue()));
      };
    } catch (IllegalArgumentException e) {
      throw new RefusedBatchException(String.valueOf(e.getMessage()));
    }
  }

  private TrainingBatch gold(BatchHeader header) throws RefusedBatchException {
    var number = new BatchNumber(header.getBatch());
    var range = range(header.getGold());
    BatchDigest digest = BatchDigest.ofGold(number, range);
    requireSame(header, digest);
    var units = new ArrayList<List<Example>>(range.count());
    for (TrainingRow row : GoldRows.of(range, vocabulary)) {
      units.add(List.of(Example.gold(row)));
    }
    return batch(header, digest, true, Star.likelihood(), units);
  }

  private TrainingBatch replay(Assembled assembled) throws RefusedBatchException {
    BatchHeader header = assembled.header();
    var digests = new LinkedHashMap<Long, PayloadDigest>();
    for (Map.Entry<Long, ReceivedPayload> entry : assembled.payloads().entrySet()) {
      digests.put(entry.getKey(), digestOf(entry.getKey(), entry.getValue()));
    }
    var uses = new ArrayList<Use>(header.getUsesCount());
    var inOrder = new ArrayList<PayloadDigest>(header.getUsesCount());
    for (io.gradus.learner.v1.Use use : header.getUsesList()) {
      uses.add(
          new Use(
              new GroupId(use.getGroupId()),
              new LeaseId(use.getLeaseId()),
              use.getMember(),
              use.getProbability(),
              use.getPassRate(),
              0,
              0));
      PayloadDigest digest = digests.get(use.getGroupId());
      if (digest == null) {
        throw new RefusedBatchException("group %d has no payload".formatted(use.getGroupId()));
      }
      inOrder.add(digest);
    }
    BatchDigest digest = BatchDigest.ofReplay(new BatchNumber(header.getBatch()), uses, inOrder);
    requireSame(header, digest);

    var groups = new LinkedHashMap<Long, List<RecordedTrajectory>>();
    var units = new ArrayList<List<Example>>(uses.size());
    long tokens = 0;
    for (Use use : uses) {
      long id = use.group().value();
      List<RecordedTrajectory> group = groups.get(id);
      if (group == null) {
        ReceivedPayload payload = assembled.payloads().get(id);
        if (payload == null) {
          throw new RefusedBatchException("group %d has no payload".formatted(id));
        }
        group = trajectories(use, payload);
        groups.put(id, group);
      }
      List<Example> unit = objective.examples(group, use.member(), use.passRate());
      for (Example example : unit) {
        tokens += example.row().lossTokens();
      }
      units.add(unit);
    }
    if (tokens != header.getCompletionTokens()) {
      throw new RefusedBatchException(
          "its header says %d completion tokens but its payloads have %d that carry loss"
              .formatted(header.getCompletionTokens(), tokens));
    }
    return batch(header, digest, false, objective, units);
  }

  private static TrainingBatch batch(
      BatchHeader header,
      BatchDigest digest,
      boolean isWarmUp,
      Objective objective,
      List<List<Example>> units) {
    return new TrainingBatch(
        new BatchNumber(header.getBatch()),
        digest,
        isWarmUp,
        objective,
        units,
        header.getMinibatches(),
        header.getEpochs(),
        header.getRound(),
        header.getIndexInRound(),
        header.getBatchesInRound(),
        header.getRestartFromBase(),
        header.getPublish(),
        header.getDurable());
  }

  private static void requireSame(BatchHeader header, BatchDigest digest)
      throws RefusedBatchException {
    String announced = HexFormat.of().formatHex(header.getSha256().toByteArray());
    if (!announced.equals(digest.hex())) {
      throw new RefusedBatchException(
          "its digest is %s here but %s in its header".formatted(digest.hex(), announced));
    }
  }

  private PayloadDigest digestOf(long group, ReceivedPayload payload) throws RefusedBatchException {
    for (var piece : payload.data().asReadOnlyByteBufferList()) {
      sha256.update(piece);
    }
    byte[] digest = sha256.digest();
    if (!MessageDigest.isEqual(digest, payload.sha256().toByteArray())) {
      throw new RefusedBatchException(
          "the payload of group %d has another SHA-256 than the one sent with it".formatted(group));
    }
    return new PayloadDigest(HexFormat.of().formatHex(digest));
  }

  private List<RecordedTrajectory> trajectories(Use use, ReceivedPayload received)
      throws RefusedBatchException {
    GroupPayload payload;
    try {
      payload =
          GroupPayload.parseFrom(PayloadEncoding.message(received.data().asReadOnlyByteBuffer()));
    } catch (PayloadEncodingException | InvalidProtocolBufferException e) {
      throw new RefusedBatchException(
          "the payload of group %d cannot be read: %s"
              .formatted(use.group().value(), e.getMessage()));
    }
    if (!payload.getRunId().equals(runId)
        || payload.getGroupId() != use.group().value()
        || payload.getLeaseId() != use.lease().value()) {
      throw new RefusedBatchException(
          "the use is of run %s, group %d, lease %d but its payload of %s, %d, %d"
              .formatted(
                  runId,
                  use.group().value(),
                  use.lease().value(),
                  payload.getRunId(),
                  payload.getGroupId(),
                  payload.getLeaseId()));
    }
    // A greedy completion has no temperature that a gradient could be taken at.
    double temperature = payload.getTemperature() == 0 ? 1 : payload.getTemperature();
    int[] prompt = ids(payload.getPromptIds());
    var trajectories = new ArrayList<RecordedTrajectory>(payload.getTrajectoriesCount());
    for (Trajectory trajectory : payload.getTrajectoriesList()) {
      trajectories.add(recorded(prompt, trajectory, temperature));
    }
    return trajectories;
  }

  private static RecordedTrajectory recorded(
      int[] prompt, Trajectory trajectory, double temperature) throws RefusedBatchException {
    int[] completion = ids(trajectory.getCompletionIds());
    ByteString mask = trajectory.getLossMask();
    if (trajectory.getLogprobs().size() != completion.length * Float.BYTES
        || (!mask.isEmpty() && mask.size() != completion.length)) {
      throw new RefusedBatchException(
          "member %d has %d tokens, %d bytes of logprobs and a loss mask of %d"
              .formatted(
                  trajectory.getMember(),
                  completion.length,
                  trajectory.getLogprobs().size(),
                  mask.size()));
    }
    var row = new int[prompt.length + completion.length];
    System.arraycopy(prompt, 0, row, 0, prompt.length);
    System.arraycopy(completion, 0, row, prompt.length, completion.length);
    var lossMask = new boolean[row.length];
    int carrying = 0;
    for (int t = 0; t < completion.length; t++) {
      boolean carries = mask.isEmpty() || mask.byteAt(t) != 0;
      lossMask[prompt.length + t] = carries;
      carrying += carries ? 1 : 0;
    }
    var logprobs = trajectory.getLogprobs().asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    var behaviorLogprobs = new float[carrying];
    int at = 0;
    for (int t = 0; t < completion.length; t++) {
      if (lossMask[prompt.length + t]) {
        behaviorLogprobs[at++] = logprobs.getFloat(t * Float.BYTES);
      }
    }
    return new RecordedTrajectory(
        trajectory.getMember(),
        new TrainingRow(row, lossMask, temperature),
        behaviorLogprobs,
        trajectory.getReward(),
        trajectory.getVerdict() == Verdict.VERDICT_RIGHT);
  }

  private static int[] ids(ByteString bytes) throws RefusedBatchException {
    if (bytes.size() % Integer.BYTES != 0) {
      throw new RefusedBatchException(
          "token ids have %d bytes, which is no whole number of int32".formatted(bytes.size()));
    }
    var ids = new int[bytes.size() / Integer.BYTES];
    bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(ids);
    return ids;
  }

  private static GoldRange range(io.gradus.learner.v1.GoldRange range) {
    return new GoldRange(
        range.getGenerator(),
        range.getGeneratorVersion(),
        range.getSource(),
        range.getSeed(),
        range.getFirstIndex(),
        range.getCount(),
        range.getFirstStratum(),
        range.getLastStratum());
  }
}
