package io.gradus.coordinator.edge;

import io.gradus.coordinator.audit.RunAudit;
import io.gradus.coordinator.ledger.GroupRecord;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.RunKey;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.GroupRow;
import io.gradus.ledger.v1.AuditRunRequest;
import io.gradus.ledger.v1.AuditRunResponse;
import io.gradus.ledger.v1.GetGroupRequest;
import io.gradus.ledger.v1.GetGroupResponse;
import io.gradus.ledger.v1.LedgerServiceGrpc;
import io.gradus.ledger.v1.ListGroupsRequest;
import io.gradus.ledger.v1.ListGroupsResponse;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.function.LongSupplier;

/// Answers questions about what was recorded.
final class LedgerService extends LedgerServiceGrpc.LedgerServiceImplBase {

  private static final int DEFAULT_PAGE = 100;

  /// Each holds a connection for as long as it takes.
  private static final int MAX_AUDITS = 1;

  private final Ledger ledger;
  private final SchemaRules rules;
  private final Executor blocking;
  private final LongSupplier nanoTime;
  private final Semaphore audits = new Semaphore(MAX_AUDITS);

  LedgerService(Ledger ledger, SchemaRules rules, Executor blocking, LongSupplier nanoTime) {
    this.ledger = ledger;
    this.rules = rules;
    this.blocking = blocking;
    this.nanoTime = nanoTime;
  }

  @Override
  public void auditRun(AuditRunRequest request, StreamObserver<AuditRunResponse> responses) {
    var call = (ServerCallStreamObserver<AuditRunResponse>) responses;
    try {
      rules.require(request);
    } catch (StatusRuntimeException refusal) {
      call.onError(refusal);
      return;
    }
    if (!audits.tryAcquire()) {
      call.onError(
          Refusals.exhausted(
              "TOO_MANY_AUDITS",
              "%d audits are under way already; come again later".formatted(MAX_AUDITS)));
      return;
    }
    // Set, so that a cancelled call is seen by the audit instead of failing its next message.
    call.setOnCancelHandler(() -> {});
    Thread.ofVirtual()
        .name("gradus-audit-" + request.getRunId())
        .start(() -> {
          try {
            audit(request.getRunId(), call);
          } finally {
            audits.release();
          }
        });
  }

  private void audit(String runId, ServerCallStreamObserver<AuditRunResponse> call) {
    try {
      RunAudit.Result result =
          RunAudit.of(
              ledger.reader(),
              runId,
              rows -> {
                if (call.isReady()) {
                  call.onNext(AuditRunResponse.newBuilder().setRowsRead(rows).build());
                }
                return !call.isCancelled();
              },
              nanoTime);
      switch (result) {
        case RunAudit.Result.Done(var report, var rows) -> {
          call.onNext(
              AuditRunResponse.newBuilder()
                  .setRowsRead(rows)
                  .setReport(AuditMapper.toProto(report))
                  .build());
          call.onCompleted();
        }
        case RunAudit.Result.Absent() -> call.onError(Refusals.noSuchRun(runId));
        case RunAudit.Result.Stopped() -> {}
      }
    } catch (RuntimeException failure) {
      if (!call.isCancelled()) {
        call.onError(Answers.statusOf(failure));
      }
    }
  }

  @Override
  public void listGroups(ListGroupsRequest request, StreamObserver<ListGroupsResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.supplyAsync(
            () -> {
              rules.require(request);
              int size = request.getPageSize() == 0 ? DEFAULT_PAGE : request.getPageSize();
              var response = ListGroupsResponse.newBuilder();
              ledger
                  .reader()
                  .groups(
                      keyOf(request.getRunId()),
                      Texts.identifier("state", request.getState()),
                      request.getAfterGroupId(),
                      size)
                  .forEach(group -> response.addGroups(toProto(group)));
              return response.build();
            },
            blocking));
  }

  @Override
  public void getGroup(GetGroupRequest request, StreamObserver<GetGroupResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.supplyAsync(
            () -> {
              rules.require(request);
              GroupRecord group =
                  ledger
                      .reader()
                      .group(keyOf(request.getRunId()), new GroupId(request.getGroupId()))
                      .orElseThrow(
                          () -> Refusals.noSuchGroup(request.getRunId(), request.getGroupId()));
              return GetGroupResponse.newBuilder().setGroup(toProto(group)).build();
            },
            blocking));
  }

  private RunKey keyOf(String runId) {
    return ledger.reader().findRun(runId).orElseThrow(() -> Refusals.noSuchRun(runId)).key();
  }

  private static io.gradus.ledger.v1.GroupRecord toProto(GroupRecord group) {
    GroupRow row = group.row();
    List<Outcome> outcomes = row.admitted().map(GroupRow.Admitted::outcomes).orElse(List.of());
    return io.gradus.ledger.v1.GroupRecord.newBuilder()
        .setGroupId(row.id().value())
        .setPurpose(row.purpose().name())
        .setState(
            row.reason() == StateReason.NONE
                ? row.state().name()
                : "%s(%s)".formatted(row.state(), row.reason()))
        .setSource(row.task().source())
        .setStratum(row.task().stratum())
        .setTaskIndex(row.task().index())
        .setWorkerId(row.worker().value())
        .setAttempts(row.attempts())
        .setOldestVersion(
            row.admitted().map(admitted -> admitted.oldestVersion().value()).orElse(0L))
        .setRight((int) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count())
        .setTrajectories(outcomes.size())
        .setCreated(Durations.toProto(group.created()))
        .setDecided(Durations.toProto(group.decided()))
        .addAllBatches(group.batches())
        .build();
  }
}
