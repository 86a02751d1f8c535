package io.gradus.core.run;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// What the decider must know of a run spec, every default filled in. The edges map it from the
/// proto; what each number means is said there, field by field.
public record RunPlan(
    List<Source> sources,
    Optional<WarmUp> warmUp,
    Curriculum curriculum,
    Rollout rollout,
    Unit unit,
    Draw draw,
    BatchShape batch,
    Optional<Rounds> rounds,
    Replay replay,
    Publication publication,
    Optional<Evaluation> evaluation,
    Stop stop,
    long seed) {

  public RunPlan {
    sources = List.copyOf(sources);
  }

  /// A task source.
  ///
  /// @param generator such as `addition/direct`
  public record Source(
      String generator,
      int generatorVersion,
      int firstStratum,
      int lastStratum,
      double hintedShare) {}

  /// Batches of gold text before the first rollout.
  public record WarmUp(int batches, int sequences, int lastStratum) {}

  /// How strata are drawn.
  public record Curriculum(
      boolean uniform,
      double epsilon,
      double decay,
      double mastered,
      double masteredFloor,
      int window) {}

  /// How groups are leased.
  public record Rollout(
      int groupSize,
      int concurrency,
      boolean lockstep,
      int maxStaleness,
      Duration leaseTtl,
      Duration progressTimeout,
      int maxAttempts) {}

  /// What one use is of.
  public enum Unit {
    /// Policy gradients: whole groups; a group whose rewards are all alike is filtered.
    GROUP,
    /// Likelihood objectives: each right trajectory; a group without any is filtered.
    TRAJECTORY
  }

  /// How a batch is drawn from replay.
  public enum Draw {
    /// Oldest lease first, each unit once: policy gradients.
    OLDEST_FIRST,
    /// Every unit alike.
    UNIFORM,
    /// Every stratum alike, then every unit in it.
    STRATUM_EQUAL
  }

  /// How large batches are.
  public record BatchShape(int units, int minibatches, int epochs) {}

  /// Work in rounds.
  public record Rounds(
      int samplesPerStratum, int firstBatches, double growth, boolean barrier, boolean restart) {}

  /// What is kept and how often it is used.
  ///
  /// @param window newest units of a stratum that may be drawn
  public record Replay(int window, int maxUses, double drawsPerSample) {}

  /// When the learner publishes.
  public record Publication(int every, int durableEvery) {}

  /// How progress is measured.
  ///
  /// @param confirm new problems in a stratum that confirm a candidate; 0 is off
  public record Evaluation(
      int lastStratum, int problems, int every, int confirm, double threshold, double stopBelow) {}

  /// When the run ends.
  public record Stop(
      Optional<Long> batches, Optional<Duration> wallTime, Optional<Integer> digitsHandled) {}
}
