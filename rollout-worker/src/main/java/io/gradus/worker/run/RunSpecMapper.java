package io.gradus.worker.run;

import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.Multiplication;
import io.gradus.core.task.TaskFamily;
import io.gradus.rollout.v1.PayloadEncoding;
import io.gradus.rollout.v1.RunAssigned;
import io.gradus.run.v1.Rewards;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.TaskSource;
import io.gradus.worker.run.Rewarding.TruncatedAnswers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.OptionalInt;

/// Reads an effective spec. A field that the coordinator should have filled in and did not is an
/// error: a default of protobuf's own, such as a reward of 0 for a right answer, would silently
/// train nothing.
public final class RunSpecMapper {

  private RunSpecMapper() {}

  /// What the worker must know of an assigned run.
  ///
  /// @throws IllegalArgumentException if the spec is not effective or not known to this build
  public static RunAssignment assignment(RunAssigned message) {
    RunSpec spec = message.getSpec();
    Rollout rollout = spec.getRollout();
    require(spec.hasSeed(), "seed");
    require(rollout.hasTemperature(), "rollout.temperature");
    var families = new ArrayList<TaskFamily>();
    for (TaskSource source : spec.getTasksList()) {
      families.add(family(source));
    }
    return new RunAssignment(
        message.getRunId(),
        spec.getSeed(),
        families,
        (float) rollout.getTemperature(),
        rollout.getTopK(),
        rollout.hasTopP() ? (float) rollout.getTopP() : 1,
        rollout.hasMaxTokens() ? OptionalInt.of(rollout.getMaxTokens()) : OptionalInt.empty(),
        rewarding(spec.getRewards()),
        rollout.getSchedule() == Schedule.SCHEDULE_LOCKSTEP,
        Duration.ofSeconds(message.getLeaseTtl().getSeconds(), message.getLeaseTtl().getNanos()),
        message.getPayloadEncodingsList().contains(PayloadEncoding.PAYLOAD_ENCODING_ZLIB));
  }

  private static Rewarding rewarding(Rewards rewards) {
    require(rewards.hasRight(), "rewards.right");
    require(rewards.hasWrong(), "rewards.wrong");
    require(rewards.hasUndecided(), "rewards.undecided");
    TruncatedAnswers truncated =
        switch (rewards.getTruncated()) {
          case TRUNCATED_UNSPECIFIED, TRUNCATED_VERIFY -> TruncatedAnswers.VERIFY;
          case TRUNCATED_ZERO -> TruncatedAnswers.ZERO;
          case TRUNCATED_MASK -> TruncatedAnswers.MASK;
          case UNRECOGNIZED -> throw unknown("rewards.truncated", rewards.getTruncatedValue());
        };
    return new Rewarding(
        (float) rewards.getRight(),
        (float) rewards.getWrong(),
        (float) rewards.getUndecided(),
        truncated);
  }

  static TaskFamily family(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION ->
          new Addition(format(source.getAddition().getFormat(), ArithmeticFormat.DIRECT));
      case MULTIPLICATION -> {
        require(source.getMultiplication().hasSecondDigits(), "multiplication.second_digits");
        yield new Multiplication(
            source.getMultiplication().getSecondDigits(),
            format(source.getMultiplication().getFormat(), ArithmeticFormat.CARRY));
      }
      case FAMILY_NOT_SET -> throw new IllegalArgumentException("a task source has no family");
    };
  }

  private static ArithmeticFormat format(
      io.gradus.run.v1.ArithmeticFormat format, ArithmeticFormat otherwise) {
    return switch (format) {
      case ARITHMETIC_FORMAT_UNSPECIFIED -> otherwise;
      case ARITHMETIC_FORMAT_DIRECT -> ArithmeticFormat.DIRECT;
      case ARITHMETIC_FORMAT_CARRY -> ArithmeticFormat.CARRY;
      case ARITHMETIC_FORMAT_PARTIAL_PRODUCTS -> ArithmeticFormat.PARTIAL_PRODUCTS;
      case UNRECOGNIZED -> throw unknown("format", -1);
    };
  }

  private static void require(boolean set, String field) {
    if (!set) {
      throw new IllegalArgumentException(
          field + " is not set; the coordinator must send the effective spec");
    }
  }

  private static IllegalArgumentException unknown(String field, int value) {
    return new IllegalArgumentException(
        "%s has a value that this build does not know (%d); use builds of one version"
            .formatted(field, value));
  }
}
