package io.gradus.learner.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.protobuf.ByteString;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.task.GoldBatch;
import io.gradus.learner.Batches;
import io.gradus.learner.FakeBatch;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Grpo;
import io.gradus.learner.objective.Objective;
import io.gradus.learner.objective.Star;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.BatchSource;
import io.gradus.learner.v1.GoldRange;
import io.gradus.learner.v1.PayloadFrame;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class BatchReaderTest {

  private static final Objective STAR = Star.likelihood();
  private static final Objective GRPO = new Grpo(0.2, 0.28, false, 0);
  private static final Verdict RIGHT = Verdict.VERDICT_RIGHT;
  private static final Verdict WRONG = Verdict.VERDICT_WRONG;

  @Test
  void readsRowsAsTheyWereSampled() throws RefusedBatchException {
    GroupPayload payload =
        Batches.group(5, 3, List.of(WRONG, RIGHT)).toBuilder().setTemperature(0.7f).build();

    TrainingBatch batch =
        Batches.read(
            Batches.replay(3, List.of(payload), 1, h -> h.setMinibatches(2).setEpochs(4)), STAR);

    Example example = batch.units().getFirst().getFirst();
    int[] ids = example.row().ids();
    assertThat(ids[0]).isEqualTo(Batches.VOCABULARY.bos());
    assertThat(ids[ids.length - 1]).isEqualTo(Batches.VOCABULARY.eos());
    assertThat(Batches.VOCABULARY.decode(ids)).contains("+", "=");
    assertThat(example.row().lossTokens()).as("three digits, a carry, EOS").isEqualTo(5);
    assertThat(example.row().lossMask()[ids.length - 6]).as("the =").isFalse();
    assertThat(example.row().temperature()).isEqualTo(0.7f);
    assertThat(example.behaviorLogprobs()).hasSize(5).startsWith(-2.55f);
    assertThat(batch.isWarmUp()).isFalse();
    assertThat(batch.steps()).isEqualTo(8);
  }

  @Test
  void trainsGreedyCompletionsAtTemperatureOne() throws RefusedBatchException {
    GroupPayload payload = Batches.group(5, 1, RIGHT).toBuilder().setTemperature(0).build();

    TrainingBatch batch = Batches.read(Batches.replay(3, List.of(payload), 0, h -> h), STAR);

    assertThat(batch.units().getFirst().getFirst().row().temperature()).isEqualTo(1);
  }

  @Test
  void leavesMaskedTokensOutOfTheLoss() throws RefusedBatchException {
    var payload = Batches.group(5, 2, List.of(RIGHT, WRONG)).toBuilder();
    payload.getTrajectoriesBuilder(0).setLossMask(ByteString.copyFrom(new byte[] {1, 0, 0, 1}));
    payload.getTrajectoriesBuilder(1).setLossMask(ByteString.copyFrom(new byte[4]));

    TrainingBatch batch =
        Batches.read(Batches.replay(3, List.of(payload.build()), -1, h -> h), GRPO);

    List<Example> unit = batch.units().getFirst();
    assertThat(unit).extracting(Example::coefficient).containsExactly(0.5f, -0.5f);
    assertThat(unit.get(0).behaviorLogprobs()).containsExactly(-2.5f, -2.5f + 0.1f * 3);
    assertThat(unit.get(1).row().lossTokens()).isZero();
  }

  @Test
  void usesAGroupAsOftenAsItWasDrawn() throws RefusedBatchException {
    GroupPayload payload = Batches.group(5, 2, List.of(RIGHT, RIGHT));

    FakeBatch once = Batches.replay(3, List.of(payload), 0, h -> h);
    FakeBatch both = Batches.replayMembers(3, payload, List.of(0, 1));

    assertThat(Batches.read(once, STAR).units()).hasSize(1);
    assertThat(Batches.read(both, STAR).units()).hasSize(2);
  }

  @Test
  void generatesGoldTextFromItsName() throws RefusedBatchException {
    FakeBatch gold = Batches.gold(2, h -> h);

    TrainingBatch batch = Batches.read(gold, GRPO);

    var range = new io.gradus.core.batch.GoldRange("addition/direct", 1, 0, 7, 8, 8, 1, 2);
    assertThat(batch.isWarmUp()).isTrue();
    assertThat(batch.objective()).as("likelihood, whatever follows").isEqualTo(STAR);
    assertThat(batch.digest()).isEqualTo(BatchDigest.ofGold(new BatchNumber(2), range));
    assertThat(batch.units().stream().map(unit -> text(unit.getFirst())))
        .containsExactlyElementsOf(
            GoldBatch.sequences(range).stream()
                .map(text -> "<bos>" + text.prompt() + text.completion() + "<eos>")
                .toList());
  }

  private static String text(Example example) {
    return Batches.VOCABULARY.decode(example.row().ids());
  }

  static Stream<Arguments> damages() {
    return Stream.of(
        damage("another digest", STAR, header(h -> h.setSha256(ByteString.copyFrom(new byte[32])))),
        damage("another number of tokens", STAR, header(h -> h.setCompletionTokens(7))),
        damage("another member", STAR, header(h -> h.getUsesBuilder(0).setMember(1))),
        damage("another lease", STAR, header(h -> h.getUsesBuilder(0).setLeaseId(9))),
        damage("a probability of 0", STAR, header(h -> h.getUsesBuilder(0).setProbability(0))),
        damage("no steps", STAR, header(h -> h.setMinibatches(0))),
        damage("no source", STAR, header(h -> h.setSourceValue(99))),
        damage("a group where a member is used", STAR, payloads(-1, RIGHT)),
        damage("a member where a group is used", GRPO, payloads(0, RIGHT)),
        damage("a wrong trajectory", STAR, payloads(0, WRONG)),
        damage("a payload of another run", STAR, payload(p -> p.setRunId("run-2"))),
        damage(
            "half a token", STAR, payload(p -> p.setPromptIds(ByteString.copyFromUtf8("abcde")))),
        damage(
            "too few logprobs",
            STAR,
            payload(p -> p.getTrajectoriesBuilder(0).setLogprobs(Batches.floats(new float[2])))),
        damage("a flipped byte", STAR, flipped()),
        damage(
            "a generator that nobody has",
            STAR,
            gold(GoldRange.newBuilder().setGenerator("poetry").setGeneratorVersion(1))),
        damage("gold without a range", STAR, gold(GoldRange.newBuilder())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void refuses(String what, Objective objective, FakeBatch batch) {
    assertThatExceptionOfType(RefusedBatchException.class)
        .isThrownBy(() -> Batches.read(batch, objective));
  }

  private static Arguments damage(String what, Objective objective, FakeBatch batch) {
    return Arguments.of(what, objective, batch);
  }

  private static FakeBatch header(Consumer<BatchHeader.Builder> change) {
    return Batches.replay(
        4,
        3,
        h -> {
          change.accept(h);
          return h;
        });
  }

  private static FakeBatch payloads(int member, Verdict verdict) {
    return Batches.replay(4, List.of(Batches.group(1, 1, verdict)), member, h -> h);
  }

  private static FakeBatch payload(Consumer<GroupPayload.Builder> change) {
    GroupPayload.Builder payload = Batches.group(1, 1, RIGHT).toBuilder();
    change.accept(payload);
    return Batches.replay(4, List.of(payload.build()), 0, h -> h);
  }

  private static FakeBatch flipped() {
    FakeBatch sound = Batches.replay(4, 3, h -> h);
    var messages = new ArrayList<>(sound.messages());
    PayloadFrame frame = messages.get(1).getFrame();
    byte[] data = frame.getParts(0).getData().toByteArray();
    data[data.length - 1] ^= 1;
    messages.set(
        1,
        StreamBatchesResponse.newBuilder()
            .setFrame(
                frame.toBuilder()
                    .setParts(0, frame.getParts(0).toBuilder().setData(ByteString.copyFrom(data))))
            .build());
    return new FakeBatch(messages);
  }

  private static FakeBatch gold(GoldRange.Builder range) {
    return new FakeBatch(
        List.of(
            StreamBatchesResponse.newBuilder()
                .setHeader(
                    BatchHeader.newBuilder()
                        .setBatch(4)
                        .setSource(BatchSource.BATCH_SOURCE_GOLD)
                        .setMinibatches(1)
                        .setEpochs(1)
                        .setGold(range))
                .build()));
  }
}
