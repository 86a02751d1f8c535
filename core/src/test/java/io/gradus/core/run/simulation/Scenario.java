package io.gradus.core.run.simulation;

import io.gradus.core.run.RunPlan;
import java.time.Duration;

/// What is simulated: a plan, what its policy can do, and how much goes wrong.
///
/// @param skillSeed what is sampled follows from it
/// @param firstPassRate of the easiest stratum under the first weights
record Scenario(RunPlan plan, long skillSeed, double firstPassRate, Weather weather) {

  /// How much goes wrong before calm.
  enum Weather {
    /// Nothing but that messages take their time.
    CALM,
    /// Now and then everything is killed at once and started again; commits fail.
    KILLS,
    /// Everything that can.
    HOSTILE
  }

  /// A scenario for the laws.
  static Scenario draw(VirtualTime time, long seed) {
    RunPlan plan = Plans.draw(time, seed);
    return new Scenario(
        plan,
        time.bits(),
        0.3 + 0.4 * time.share(),
        time.chance(0.85) ? Weather.HOSTILE : Weather.CALM);
  }

  /// A run in lockstep, the same for every weather. Leases outlast whatever happens.
  static Scenario lockstep(long seed, Weather weather) {
    var time = new VirtualTime(seed, false);
    RunPlan plan = Plans.lockstep(time, seed, Duration.ofMinutes(1));
    return new Scenario(plan, seed, 0.3 + 0.4 * time.share(), weather);
  }
}
