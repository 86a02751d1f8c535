package io.gradus.coordinator.edge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import io.gradus.coordinator.Node;
import io.gradus.coordinator.spec.Specs;
import io.gradus.run.v1.CancelRunRequest;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.ResumeRunRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.SubmitRunRequest;
import io.gradus.run.v1.WatchRunRequest;
import io.gradus.run.v1.WatchRunResponse;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a person may ask of runs, and what is answered.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RunServiceTest {

  private static final RunSpec SPEC = Specs.star("tasks { addition {} } stop { batches: 3 }");

  private Node node;

  @BeforeAll
  void start(@TempDir Path directory) throws Exception {
    node = Node.start(directory);
  }

  @AfterEach
  void cancelRuns() {
    node.cancelRuns();
  }

  @AfterAll
  void close() {
    node.close();
  }

  private RunProgress submit(String runId, RunSpec spec) {
    return node.runs()
        .submitRun(SubmitRunRequest.newBuilder().setRunId(runId).setSpec(spec).build())
        .getProgress();
  }

  private RunProgress cancel(String runId) {
    return node.runs()
        .cancelRun(CancelRunRequest.newBuilder().setRunId(runId).setReason("a\nb").build())
        .getProgress();
  }

  private RunProgress progress(String runId) {
    return node.runs().getRun(GetRunRequest.newBuilder().setRunId(runId).build()).getProgress();
  }

  @Test
  void answersARepeatedSubmissionWithTheRunThatIsThere() {
    RunProgress first = submit("twice", SPEC);
    RunProgress again = submit("twice", SPEC);

    assertThat(again.getRunId()).isEqualTo("twice");
    assertThat(again.getSubmitted()).isEqualTo(first.getSubmitted());
    cancel("twice");
    assertThat(submit("twice", SPEC).getState())
        .as("a run that is over is there all the same")
        .isEqualTo(RunState.RUN_STATE_CANCELLED);
  }

  @Test
  void refusesAnotherSpecUnderTheSameId() {
    submit("taken", SPEC);

    assertThat(Node.refusal(() -> submit("taken", SPEC.toBuilder().setSeed(99).build())))
        .isEqualTo("ALREADY_EXISTS/RUN_EXISTS");
    cancel("taken");
  }

  @Test
  void namesEveryFieldThatContradictsAnother() throws Exception {
    Throwable refused =
        catchThrowable(() ->
            submit(
                "contradictory",
                Specs.star(
                    "tasks { addition { format: ARITHMETIC_FORMAT_DIRECT } hinted_share: 0.5 }")));

    assertThat(Node.refusal(refused)).isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(
            Node.status(refused).getDetailsList().stream()
                .filter(detail -> detail.is(BadRequest.class))
                .findFirst()
                .orElseThrow()
                .unpack(BadRequest.class)
                .getFieldViolationsList())
        .extracting(BadRequest.FieldViolation::getField)
        .containsExactly("spec.tasks[0].hinted_share");
    assertThat(Node.refusal(() -> progress("contradictory")))
        .as("nothing was recorded")
        .isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
  }

  @Test
  void refusesASpecThatTheSchemaForbids() {
    assertThat(Node.refusal(() -> submit("forbidden", Specs.star("rollout { temperature: -1 }"))))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
  }

  @Test
  void pausesAndResumes() {
    String run = node.newRun();

    RunProgress paused =
        node.runs().pauseRun(PauseRunRequest.newBuilder().setRunId(run).build()).getProgress();
    RunProgress resumed =
        node.runs().resumeRun(ResumeRunRequest.newBuilder().setRunId(run).build()).getProgress();

    assertThat(paused.getState()).isEqualTo(RunState.RUN_STATE_PAUSED);
    assertThat(resumed.getState()).isEqualTo(RunState.RUN_STATE_RUNNING);
    assertThat(resumed.getRevision()).isGreaterThan(paused.getRevision());
  }

  @Test
  void cancelsOnceAndAnswersEveryTime() {
    String run = node.newRun();

    RunProgress first = cancel(run);
    RunProgress again = cancel(run);

    assertThat(first.getState()).isEqualTo(RunState.RUN_STATE_CANCELLED);
    assertThat(first.getReason()).as("prose is kept printable").isEqualTo("a b");
    assertThat(again.getState()).isEqualTo(RunState.RUN_STATE_CANCELLED);
    assertThat(
            Node.refusal(
                () -> node.runs().pauseRun(PauseRunRequest.newBuilder().setRunId(run).build())))
        .isEqualTo("FAILED_PRECONDITION/RUN_ENDED");
  }

  @Test
  void listsRunsNewestFirst() {
    String older = node.newRun();
    String newer = node.newRun();

    assertThat(
            node.runs().listRuns(ListRunsRequest.newBuilder().setPageSize(2).build()).getRunsList())
        .extracting(RunProgress::getRunId)
        .containsExactly(newer, older);
  }

  @Test
  void watchesARunToItsEnd() throws Exception {
    String run = node.newRun();
    var watched = new Inbox<WatchRunResponse>();
    RunServiceGrpc.newStub(node.channel())
        .watchRun(
            WatchRunRequest.newBuilder()
                .setRunId(run)
                .setInterval(Duration.newBuilder().setNanos(100_000_000))
                .build(),
            watched);
    assertThat(watched.next().getProgress().getState()).isEqualTo(RunState.RUN_STATE_RUNNING);

    cancel(run);

    WatchRunResponse last =
        watched.next(response -> response.getProgress().getState() == RunState.RUN_STATE_CANCELLED);
    assertThat(last.getProgress().getRunId()).isEqualTo(run);
    watched.completion();
  }

  @Test
  void refusesToBeWatchedWithoutAPause() throws Exception {
    var watched = new Inbox<WatchRunResponse>();

    RunServiceGrpc.newStub(node.channel())
        .watchRun(
            WatchRunRequest.newBuilder()
                .setRunId("run-1")
                .setInterval(Duration.newBuilder().setNanos(1))
                .build(),
            watched);

    assertThat(watched.failure().getDescription()).contains("interval");
  }

  @Test
  void knowsNoOtherRuns() throws Exception {
    var watched = new Inbox<WatchRunResponse>();
    RunServiceGrpc.newStub(node.channel())
        .watchRun(WatchRunRequest.newBuilder().setRunId("no-such-run").build(), watched);

    assertThat(Node.refusal(watched.throwable())).isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
    assertThat(Node.refusal(() -> progress("no-such-run"))).isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
    assertThat(Node.refusal(() -> cancel("no-such-run"))).isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
  }
}
