package io.gradus.coordinator.edge;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.coordinator.Node;
import io.gradus.ledger.v1.AuditRunRequest;
import io.gradus.ledger.v1.AuditRunResponse;
import io.gradus.ledger.v1.GetGroupRequest;
import io.gradus.ledger.v1.GroupRecord;
import io.gradus.ledger.v1.LedgerServiceGrpc;
import io.gradus.ledger.v1.ListGroupsRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What may be asked about what was recorded.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LedgerServiceTest {

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

  private LedgerServiceGrpc.LedgerServiceBlockingStub ledger() {
    return LedgerServiceGrpc.newBlockingStub(node.channel());
  }

  private List<AuditRunResponse> audit(String run) {
    var responses = new ArrayList<AuditRunResponse>();
    ledger()
        .auditRun(AuditRunRequest.newBuilder().setRunId(run).build())
        .forEachRemaining(responses::add);
    return responses;
  }

  @Test
  void auditsARun() throws Exception {
    String run = node.newRun();
    node.worker("worker-1").leases(3);

    AuditRunResponse last = audit(run).getLast();

    assertThat(last.getReport().getRunId()).isEqualTo(run);
    assertThat(last.getReport().getRunState()).isEqualTo("RUNNING");
    long created = last.getReport().getGroupsCreated();
    assertThat(created).isGreaterThanOrEqualTo(3);
    assertThat(last.getReport().getGroupsMap()).containsEntry("LEASED", created);
    assertThat(last.getRowsRead()).as("groups with their leases").isEqualTo(2 * created);
    assertThat(last.getReport().getFindingsList())
        .as("a decider for tests counts no transitions, and the audit says so")
        .anySatisfy(finding -> {
          assertThat(finding.getRule()).isEqualTo("transitions-balance");
          assertThat(finding.getRow()).isEqualTo("groups LEASED");
          assertThat(finding.getMessage()).contains(created + " are there", "there must be 0");
        });
    assertThat(last.getReport().getResidual()).isEqualTo(created);
  }

  @Test
  void auditsOneRunAfterTheOther() {
    String run = node.newRun();

    assertThat(audit(run)).hasSize(1);
    assertThat(audit(run)).hasSize(1);
  }

  @Test
  void knowsNoOtherRuns() {
    assertThat(Node.refusal(() -> audit("no-such-run"))).isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
    assertThat(Node.refusal(() -> audit(""))).isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
  }

  @Test
  void tellsTheStoriesOfGroups() throws Exception {
    String run = node.newRun();
    var leases = node.worker("worker-1").leases(3);
    node.submit(Payloads.parts(Payloads.of(run, leases.get(1)), 1000));

    assertThat(
            ledger()
                .listGroups(ListGroupsRequest.newBuilder().setRunId(run).setAfterGroupId(1).build())
                .getGroupsList())
        .extracting(GroupRecord::getState)
        .containsExactly("ACCEPTED", "LEASED");
    assertThat(
            ledger()
                .listGroups(
                    ListGroupsRequest.newBuilder()
                        .setRunId(run)
                        .setState("LEASED")
                        .setPageSize(1)
                        .build())
                .getGroupsList())
        .extracting(GroupRecord::getGroupId)
        .containsExactly(1L);
    assertThat(
            Node.refusal(() ->
                ledger()
                    .getGroup(GetGroupRequest.newBuilder().setRunId(run).setGroupId(9).build())))
        .isEqualTo("NOT_FOUND/GROUP_NOT_FOUND");
  }
}
