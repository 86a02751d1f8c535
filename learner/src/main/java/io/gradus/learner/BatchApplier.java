package io.gradus.learner;

import io.gradus.learner.batch.Split;
import io.gradus.learner.batch.TrainingBatch;
import io.gradus.learner.link.ProtoMapper;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Objective.Measures;
import io.gradus.learner.run.LearningPlan;
import io.gradus.policy.training.StepResult;
import io.gradus.policy.training.Trainer;
import io.gradus.policy.training.TrainingRow;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Takes the optimizer steps of batches.
final class BatchApplier {

  /// What a batch came to.
  ///
  /// @param steps optimizer steps taken
  /// @param skipped optimizer steps skipped
  record Applied(
      int steps,
      int skipped,
      long tokens,
      int sequences,
      io.gradus.learner.v1.LearnerFigures figures) {}

  private final LearningPlan plan;
  private final Trainer trainer;
  private final int replicas;
  private final BooleanSupplier rolloutsSampling;

  /// @param rolloutsSampling whether somebody else needs processors now; asked before each step
  BatchApplier(LearningPlan plan, Trainer trainer, int replicas, BooleanSupplier rolloutsSampling) {
    this.plan = plan;
    this.trainer = trainer;
    this.replicas = replicas;
    this.rolloutsSampling = rolloutsSampling;
  }

  Applied apply(TrainingBatch batch) {
    double rate = rate(batch);
    var means = new Means();
    int steps = 0;
    int skipped = 0;
    long tokens = 0;
    int sequences = 0;
    for (List<Example> examples : Split.steps(batch, plan.seed())) {
      List<TrainingRow> rows = examples.stream().map(Example::row).toList();
      sequences += rows.size();
      if (rows.stream().noneMatch(row -> row.lossTokens() > 0)) {
        // Every completion in it was masked: there is no gradient to follow.
        skipped++;
        continue;
      }
      StepResult result = trainer.step(rows, batch.objective().loss(examples), rate, active());
      tokens += result.tokens();
      if (result.skippedNonFinite()) {
        skipped++;
      } else {
        steps++;
        means.add(result, batch.objective().measures(result));
      }
    }
    var figures =
        means.toProto().setLearningRate(rate).setTokens(tokens).setSequences(sequences).build();
    return new Applied(steps, skipped, tokens, sequences, figures);
  }

  private double rate(TrainingBatch batch) {
    long number = batch.number().value();
    return batch.isWarmUp()
        ? plan.learningRates().ofWarmUp(number)
        : plan.learningRates().ofReplay(number, batch.indexInRound(), batch.batchesInRound());
  }

  /// The order of additions depends on the number of replicas, so in lockstep it may not depend on
  /// who happens to be sampling.
  private int active() {
    return plan.lockstep() || rolloutsSampling.getAsBoolean() ? 1 : replicas;
  }

  static io.gradus.learner.v1.LearnerFigures timed(
      io.gradus.learner.v1.LearnerFigures figures, Duration waited, Duration stepped) {
    return figures.toBuilder()
        .setWaited(ProtoMapper.toProto(waited))
        .setStepped(ProtoMapper.toProto(stepped))
        .build();
  }

  /// Means over the steps taken; what was not measured stays absent.
  private static final class Means {

    private final Mean loss = new Mean();
    private final Mean gradientNorm = new Mean();
    private final Mean entropy = new Mean();
    private final Mean clipFraction = new Mean();
    private final Mean kl = new Mean();

    void add(StepResult result, Measures measures) {
      loss.add(result.loss());
      gradientNorm.add(result.gradientNorm());
      entropy.add(result.meanEntropy());
      measures.clipFraction().ifPresent(clipFraction::add);
      measures.kl().ifPresent(kl::add);
    }

    io.gradus.learner.v1.LearnerFigures.Builder toProto() {
      var figures = io.gradus.learner.v1.LearnerFigures.newBuilder();
      if (loss.count > 0) {
        figures.setLoss(loss.get());
      }
      if (gradientNorm.count > 0) {
        figures.setGradientNorm(gradientNorm.get());
      }
      if (entropy.count > 0) {
        figures.setEntropy(entropy.get());
      }
      if (clipFraction.count > 0) {
        figures.setClipFraction(clipFraction.get());
      }
      if (kl.count > 0) {
        figures.setKl(kl.get());
      }
      return figures;
    }
  }

  private static final class Mean {

    private double sum;
    private int count;

    void add(double value) {
      if (Double.isFinite(value)) {
        sum += value;
        count++;
      }
    }

    double get() {
      return sum / count;
    }
  }
}
