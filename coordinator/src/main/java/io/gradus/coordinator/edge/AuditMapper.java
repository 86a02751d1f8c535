package io.gradus.coordinator.edge;

import io.gradus.coordinator.audit.AuditReport;
import io.gradus.coordinator.audit.Finding;
import io.gradus.ledger.v1.AuditFinding;

/// What an audit found, on the wire.
final class AuditMapper {

  private AuditMapper() {}

  static io.gradus.ledger.v1.AuditReport toProto(AuditReport report) {
    return io.gradus.ledger.v1.AuditReport.newBuilder()
        .setRunId(report.runId())
        .setRunState(report.runState())
        .setGroupsCreated(report.groupsCreated())
        .putAllGroups(report.groups())
        .setUses(report.uses())
        .putAllBatches(report.batches())
        .setOptimizerSteps(report.optimizerSteps())
        .setPolicyVersions(report.policyVersions())
        .setResidual(report.residual())
        .addAllFindings(report.findings().stream().map(AuditMapper::toProto).toList())
        .build();
  }

  private static AuditFinding toProto(Finding finding) {
    return AuditFinding.newBuilder()
        .setRule(finding.rule())
        .setRow(finding.row())
        .setMessage(finding.message())
        .build();
  }
}
