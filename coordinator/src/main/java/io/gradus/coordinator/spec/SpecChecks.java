package io.gradus.coordinator.spec;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.task.Problem;
import io.gradus.core.task.TaskFamily;
import io.gradus.run.v1.Correction;
import io.gradus.run.v1.Evaluation;
import io.gradus.run.v1.Grpo;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.TaskSource;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/// What must hold between the fields of an effective spec, beyond the range of each, which is in
/// the schema.
public final class SpecChecks {

  /// Strata that a family's numbers may have.
  private static final int MAX_STRATUM = 1000;

  private final RunSpec spec;
  private final boolean isLikelihood;
  private final List<SpecProblem> problems = new ArrayList<>();

  private SpecChecks(RunSpec spec) {
    this.spec = spec;
    this.isLikelihood = spec.getObjective().hasStar();
  }

  /// What is wrong with a spec whose defaults are filled in; empty when it can be run.
  public static List<SpecProblem> of(RunSpec effective) {
    var checks = new SpecChecks(effective);
    checks.checkModel();
    checks.checkTasks();
    checks.checkWarmUp();
    checks.checkRollout();
    checks.checkRewards();
    checks.checkObjective();
    checks.checkBatch();
    checks.checkReplay();
    checks.checkRounds();
    checks.checkLockstep();
    checks.checkPublication();
    checks.checkEvaluation();
    checks.checkStop();
    if (checks.problems.isEmpty()) {
      checks.checkLengths();
    }
    return List.copyOf(checks.problems);
  }

  @FormatMethod
  private void problem(String path, @FormatString String message, Object... values) {
    problems.add(new SpecProblem(path, message.formatted(values)));
  }

  private void checkModel() {
    if (!spec.getModel().hasScratch()) {
      return;
    }
    ScratchModel model = spec.getModel().getScratch();
    String path = "model.scratch";
    if (model.getHeadDim() % 2 != 0) {
      problem(
          path + ".head_dim",
          "is %d but must be even, since rotary positions turn pairs; with hidden_size %d and %d"
              + " heads set it, or choose heads that give an even quotient",
          model.getHeadDim(),
          model.getHiddenSize(),
          model.getHeads());
    } else if (model.getHeadDim() * model.getHeads() != model.getHiddenSize()) {
      problem(
          path + ".head_dim",
          "is %d, and with %d heads that makes %d, but hidden_size is %d; they must be equal",
          model.getHeadDim(),
          model.getHeads(),
          model.getHeadDim() * model.getHeads(),
          model.getHiddenSize());
    }
    if (model.getHeads() % model.getKeyValueHeads() != 0) {
      problem(
          path + ".key_value_heads",
          "is %d but must divide heads, which is %d",
          model.getKeyValueHeads(),
          model.getHeads());
    }
    var seen = new TreeSet<Integer>();
    model
        .getCharacters()
        .codePoints()
        .filter(character -> !seen.add(character))
        .findFirst()
        .ifPresent(character ->
            problem(
                path + ".characters",
                "has '%s' twice; every character has one id",
                Character.toString(character)));
  }

  private void checkTasks() {
    for (int index = 0; index < spec.getTasksCount(); index++) {
      TaskSource source = spec.getTasks(index);
      String path = "tasks[%d]".formatted(index);
      if (source.getFamilyCase() == TaskSource.FamilyCase.FAMILY_NOT_SET) {
        problem(path, "names no family; choose addition or multiplication");
        continue;
      }
      String family = path + "." + Strata.path(source);
      if (Strata.first(source) > Strata.last(source)) {
        problem(
            family + ".first_digits",
            "is %d but last_digits is %d; the first must not be beyond the last",
            Strata.first(source),
            Strata.last(source));
      }
      try {
        TaskFamily known = Strata.family(source);
        if (source.getHintedShare() > 0 && !known.format().hasRationale()) {
          problem(
              path + ".hinted_share",
              "is %s but the format has no rationale: an accepted answer that was given as a hint"
                  + " would be gold text; choose format carry, or 0",
              source.getHintedShare());
        }
        checkCharacters(path, source, known);
      } catch (IllegalArgumentException refused) {
        problem(family + ".format", "%s", String.valueOf(refused.getMessage()));
      }
      if (source.getHintedShare() > 0 && !isLikelihood) {
        problem(
            path + ".hinted_share",
            "is %s but a hinted sample has no ratio to the policy without the hint; use objective"
                + " star, or 0",
            source.getHintedShare());
      }
    }
  }

  /// A policy made from scratch must be able to read and write what the tasks are made of.
  private void checkCharacters(String path, TaskSource source, TaskFamily family) {
    if (!spec.getModel().hasScratch()) {
      return;
    }
    Problem problem = family.problem(1, GroupPurpose.TRAINING, Strata.first(source), 0);
    String text =
        "0123456789"
            + problem.prompt()
            + family.gold(1, Strata.first(source), 0).completion()
            + (source.getHintedShare() > 0 && family.format().hasRationale()
                ? problem.hintedPrompt()
                : "");
    String known = spec.getModel().getScratch().getCharacters();
    String missing =
        text.codePoints()
            .filter(character -> known.indexOf(character) < 0)
            .distinct()
            .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
            .toString();
    if (!missing.isEmpty()) {
      problem(
          "model.scratch.characters",
          "lacks \"%s\", which %s is written with; add them",
          missing,
          path);
    }
  }

  private void checkWarmUp() {
    if (!spec.hasWarmUp()) {
      return;
    }
    int easiest = spec.getTasksList().stream().mapToInt(Strata::first).min().orElse(1);
    if (spec.getWarmUp().getLastStratum() < easiest) {
      problem(
          "warm_up.last_stratum",
          "is %d but the easiest task has %d digits; there would be nothing to show",
          spec.getWarmUp().getLastStratum(),
          easiest);
    }
    if (spec.getWarmUp().getRampSteps() > spec.getWarmUp().getBatches()) {
      problem(
          "warm_up.ramp_steps",
          "is %d but warm_up has %d batches; the learning rate would never reach its peak",
          spec.getWarmUp().getRampSteps(),
          spec.getWarmUp().getBatches());
    }
    if (spec.getStop().hasBatches()
        && spec.getStop().getBatches() < spec.getWarmUp().getBatches()) {
      problem(
          "stop.batches",
          "is %d but warm_up alone has %d batches; nothing would be sampled",
          spec.getStop().getBatches(),
          spec.getWarmUp().getBatches());
    }
  }

  private void checkRollout() {
    var rollout = spec.getRollout();
    if (isLikelihood) {
      return;
    }
    if (rollout.getGroupSize() < 2) {
      problem(
          "rollout.group_size",
          "is %d but grpo compares the trajectories of a group; it needs at least 2, 8 is usual",
          rollout.getGroupSize());
    }
    if (rollout.getTemperature() == 0) {
      problem(
          "rollout.temperature",
          "is 0 but greedy samples of a group are all alike and have no ratio; 1 is usual");
    }
    if (rollout.getTopK() != 0) {
      problem(
          "rollout.top_k",
          "is %d but a ratio objective needs the probability over all tokens; leave it out",
          rollout.getTopK());
    }
    if (rollout.getTopP() != 1) {
      problem(
          "rollout.top_p",
          "is %s but a ratio objective needs the probability over all tokens; leave it out",
          rollout.getTopP());
    }
    if (rollout.getMaxStaleness() > 8) {
      problem(
          "rollout.max_staleness",
          "is %d but at most 8 for policy gradients: the ratio of older samples says little; 4 is"
              + " usual",
          rollout.getMaxStaleness());
    }
  }

  private void checkRewards() {
    if (spec.getRewards().getRight() <= spec.getRewards().getWrong()) {
      problem(
          "rewards.right",
          "is %s but a wrong answer earns %s; the right one must earn more",
          spec.getRewards().getRight(),
          spec.getRewards().getWrong());
    }
  }

  private void checkObjective() {
    if (!spec.getObjective().hasGrpo()) {
      return;
    }
    Grpo grpo = spec.getObjective().getGrpo();
    if (grpo.getCorrection() == Correction.CORRECTION_NONE
        && spec.getRollout().getMaxStaleness() > 0) {
      problem(
          "objective.grpo.correction",
          "is none but rollout.max_staleness is %d: samples of older policies need a correction;"
              + " choose behavior_ratio, or a staleness of 0",
          spec.getRollout().getMaxStaleness());
    }
  }

  private void checkBatch() {
    if (spec.getBatch().getMinibatches() > spec.getBatch().getGroups()) {
      problem(
          "batch.minibatches",
          "is %d but a batch has %d groups; a part needs at least one",
          spec.getBatch().getMinibatches(),
          spec.getBatch().getGroups());
    }
  }

  private void checkReplay() {
    var replay = spec.getReplay();
    if (!isLikelihood) {
      if (replay.getMaxUses() != 1) {
        problem(
            "replay.max_uses",
            "is %d but policy gradients use a group once; only objective star uses one again",
            replay.getMaxUses());
      }
      if (replay.hasDrawsPerSample()) {
        problem(
            "replay.draws_per_sample",
            "is %s but only objective star draws from replay; leave it out",
            replay.getDrawsPerSample());
      }
      return;
    }
    if (replay.getWindow() < spec.getBatch().getGroups()) {
      problem(
          "replay.window",
          "is %d but batch.groups is %d: while one stratum alone is solved, replay could never fill a"
              + " batch",
          replay.getWindow(),
          spec.getBatch().getGroups());
    }
    if (replay.getDrawsPerSample() > replay.getMaxUses()) {
      problem(
          "replay.draws_per_sample",
          "is %s but max_uses is %d: a trajectory cannot pay for more draws than it may have",
          replay.getDrawsPerSample(),
          replay.getMaxUses());
    }
  }

  private void checkRounds() {
    if (spec.hasRounds() && !isLikelihood) {
      problem(
          "rounds",
          "needs objective star: a policy gradient uses a group once, so that what a round's batches"
              + " need cannot be said beforehand; leave it out");
    }
  }

  /// Nothing may depend on which of two workers is faster.
  private void checkLockstep() {
    if (spec.getRollout().getSchedule() == Schedule.SCHEDULE_LOCKSTEP
        && spec.getResources().getWorkers() > 1) {
      problem(
          "resources.workers",
          "is %d but rollout.schedule is lockstep, which has one worker",
          spec.getResources().getWorkers());
    }
  }

  private void checkPublication() {
    var publication = spec.getPublication();
    if (publication.getDurableEvery() % publication.getEvery() != 0) {
      problem(
          "publication.durable_every",
          "is %d but must be a multiple of every, which is %d: a durable checkpoint is a"
              + " publication",
          publication.getDurableEvery(),
          publication.getEvery());
    }
    int allowed = spec.getRollout().getMaxStaleness() + 1;
    if (!isLikelihood && publication.getEvery() > allowed) {
      problem(
          "publication.every",
          "is %d but rollout.max_staleness is %d: with more than %d batches between versions no"
              + " fresh sample would be young enough",
          publication.getEvery(),
          spec.getRollout().getMaxStaleness(),
          allowed);
    }
  }

  private void checkEvaluation() {
    if (!spec.hasEvaluation()) {
      return;
    }
    Evaluation evaluation = spec.getEvaluation();
    int easiest = spec.getTasksList().stream().mapToInt(Strata::first).min().orElse(1);
    if (evaluation.getLastStratum() < easiest) {
      problem(
          "evaluation.last_stratum",
          "is %d but the easiest task has %d digits",
          evaluation.getLastStratum(),
          easiest);
    }
    if (evaluation.getLastStratum() > MAX_STRATUM) {
      problem(
          "evaluation.last_stratum",
          "is %d but at most %d",
          evaluation.getLastStratum(),
          MAX_STRATUM);
    }
    if (evaluation.getStopBelow() > evaluation.getThreshold()) {
      problem(
          "evaluation.stop_below",
          "is %s but threshold is %s: evaluations would end at strata that are handled",
          evaluation.getStopBelow(),
          evaluation.getThreshold());
    }
  }

  private void checkStop() {
    var stop = spec.getStop();
    if (spec.getRollout().getSchedule() == Schedule.SCHEDULE_LOCKSTEP && stop.hasWallTime()) {
      problem(
          "stop.wall_time",
          "ends a run by the clock, but rollout.schedule lockstep promises the same run each time;"
              + " use stop.batches");
    }
    if (!stop.hasDigitsHandled()) {
      return;
    }
    if (!spec.hasEvaluation()) {
      problem(
          "stop.digits_handled",
          "is %d but nothing is evaluated; add an evaluation block",
          stop.getDigitsHandled());
    } else if (stop.getDigitsHandled() > spec.getEvaluation().getLastStratum()) {
      problem(
          "stop.digits_handled",
          "is %d but evaluation.last_stratum is %d: it would never be seen",
          stop.getDigitsHandled(),
          spec.getEvaluation().getLastStratum());
    }
  }

  /// Whether the longest sequences fit, once the rest is sound.
  private void checkLengths() {
    for (int index = 0; index < spec.getTasksCount(); index++) {
      TaskSource source = spec.getTasks(index);
      TaskFamily family = Strata.family(source);
      int hardest = Strata.last(source);
      if (spec.hasEvaluation()) {
        hardest = Math.max(hardest, spec.getEvaluation().getLastStratum());
      }
      if (spec.hasWarmUp()) {
        hardest = Math.max(hardest, spec.getWarmUp().getLastStratum());
      }
      int needed = family.goldLength(hardest) + 1;
      int maxTokens =
          spec.getRollout().hasMaxTokens()
              ? spec.getRollout().getMaxTokens()
              : family.maxCompletionTokens(hardest);
      if (maxTokens < needed) {
        problem(
            "rollout.max_tokens",
            "is %d but a right answer to tasks[%d] at %d digits has %d tokens; leave it out",
            maxTokens,
            index,
            hardest,
            needed);
      }
      if (spec.getModel().hasScratch()) {
        Problem problem = family.problem(1, GroupPurpose.TRAINING, hardest, 0);
        String prompt = source.getHintedShare() > 0 ? problem.hintedPrompt() : problem.prompt();
        int positions = 1 + prompt.length() + maxTokens;
        if (positions > spec.getModel().getScratch().getMaxPositions()) {
          problem(
              "model.scratch.max_positions",
              "is %d but tasks[%d] at %d digits needs %d tokens for prompt and completion",
              spec.getModel().getScratch().getMaxPositions(),
              index,
              hardest,
              positions);
        }
      }
    }
  }
}
