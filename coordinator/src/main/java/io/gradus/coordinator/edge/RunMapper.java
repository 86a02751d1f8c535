package io.gradus.coordinator.edge;

import io.gradus.coordinator.run.LearnerSummary;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.run.RunView;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.EvaluationResult;
import io.gradus.run.v1.LearnerProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.StratumProgress;

/// Where a run stands, on the wire.
final class RunMapper {

  private RunMapper() {}

  static RunProgress toProto(RunAnswer.Progress progress) {
    RunView view = progress.view();
    RunRow run = view.run();
    var proto =
        RunProgress.newBuilder()
            .setRunId(progress.runId())
            .setRevision(progress.revision())
            .setState(state(run.state()))
            .setReason(run.reason())
            .setSubmitted(Durations.toProto(progress.submitted()))
            .setElapsed(Durations.toProto(run.elapsed()))
            .setGroupsCreated(run.groupsCreated())
            .putAllGroups(view.groups())
            .setAccountingResidual(view.residual())
            .setBatchesBound(run.batchesBound())
            .setBatchesApplied(view.batchesApplied())
            .setWarmUpBatches(run.warmUpBatches())
            .setOptimizerSteps(view.optimizerSteps())
            .setTokensSampled(run.tokensSampled())
            .setTokensTrained(run.tokensTrained())
            .setWaiting(view.waiting())
            .setRunning(view.running())
            .setCapacity(view.capacity())
            .addAllStaleness(view.staleness())
            .setLearner(learner(progress.learner(), view.learnerJoined()))
            .setRound(run.round())
            .setTrajectoriesSampled(run.trajectoriesSampled())
            .setSequencesTrained(run.sequencesTrained());
    view.head()
        .ifPresent(head ->
            proto
                .setPolicyVersion(head.manifest().version().value())
                .setCheckpoint(head.manifest().uri()));
    view.durable().ifPresent(durable -> proto.setDurableCheckpoint(durable.manifest().uri()));
    for (RunView.Stratum stratum : view.strata()) {
      proto.addStrata(
          StratumProgress.newBuilder()
              .setSource(stratum.source())
              .setStratum(stratum.stratum())
              .setPassRate(stratum.passRate())
              .setWeight(stratum.weight())
              .setInReplay(stratum.inReplay()));
    }
    view.evaluations().forEach(evaluation -> proto.addEvaluations(evaluation(evaluation)));
    return proto.build();
  }

  private static EvaluationProgress evaluation(EvaluationRow row) {
    var proto =
        EvaluationProgress.newBuilder()
            .setPolicyVersion(row.version().value())
            .setBatch(row.batch())
            .setConfirmation(row.confirmation())
            .setFinished(row.finished())
            .setHandled(row.handled())
            .setElapsed(Durations.toProto(row.elapsed()));
    for (StratumResult result : row.results()) {
      proto.addResults(
          EvaluationResult.newBuilder()
              .setStratum(result.stratum())
              .setRight(result.right())
              .setProblems(result.answered()));
    }
    return proto.build();
  }

  private static LearnerProgress learner(LearnerSummary summary, boolean isJoined) {
    return LearnerProgress.newBuilder()
        .setJoined(isJoined)
        .setLoss(summary.loss())
        .setGradientNorm(summary.gradientNorm())
        .setEntropy(summary.entropy())
        .setClipFraction(summary.clipFraction())
        .setLearningRate(summary.learningRate())
        .setWaitingShare(summary.waitingShare())
        .setSecondsABatch(summary.secondsPerBatch())
        .setWaitedSeconds(summary.waitedSeconds())
        .setSteppedSeconds(summary.steppedSeconds())
        .setPublishedSeconds(summary.publishedSeconds())
        .build();
  }

  private static RunState state(io.gradus.core.ledger.RunState state) {
    return switch (state) {
      case RUNNING -> RunState.RUN_STATE_RUNNING;
      case PAUSED -> RunState.RUN_STATE_PAUSED;
      case COMPLETED -> RunState.RUN_STATE_COMPLETED;
      case STOPPED -> RunState.RUN_STATE_STOPPED;
      case FAILED -> RunState.RUN_STATE_FAILED;
      case CANCELLED -> RunState.RUN_STATE_CANCELLED;
    };
  }

  static boolean isFinal(RunProgress progress) {
    return switch (progress.getState()) {
      case RUN_STATE_COMPLETED, RUN_STATE_STOPPED, RUN_STATE_FAILED, RUN_STATE_CANCELLED -> true;
      case RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_UNSPECIFIED, UNRECOGNIZED -> false;
    };
  }
}
