package io.gradus.coordinator.edge;

import io.gradus.coordinator.ledger.GroupRecord;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.RunKey;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.GroupRow;
import io.gradus.ledger.v1.GetGroupRequest;
import io.gradus.ledger.v1.GetGroupResponse;
import io.gradus.ledger.v1.LedgerServiceGrpc;
import io.gradus.ledger.v1.ListGroupsRequest;
import io.gradus.ledger.v1.ListGroupsResponse;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/// Answers questions about what was recorded.
final class LedgerService extends LedgerServiceGrpc.LedgerServiceImplBase {

  private static final int DEFAULT_PAGE = 100;

  private final Ledger ledger;
  private final SchemaRules rules;
  private final Executor blocking;

  LedgerService(Ledger ledger, SchemaRules rules, Executor blocking) {
    this.ledger = ledger;
    this.rules = rules;
    this.blocking = blocking;
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
