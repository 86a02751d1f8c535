package io.gradus.coordinator.audit;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What an audit found.
///
/// @param runState `NEW` before the first decision; empty where the row cannot be read
/// @param groupsCreated rows of groups
/// @param groups rows by state, `FILTERED(NONE_RIGHT)` with its reason
/// @param uses in batches that are not void
/// @param batches bindings by state
/// @param optimizerSteps of the batches that are applied or settled
/// @param residual distance between what the run row says of groups and the rows
public record AuditReport(
    String runId,
    String runState,
    long groupsCreated,
    Map<String, Long> groups,
    long uses,
    Map<String, Long> batches,
    long optimizerSteps,
    long policyVersions,
    long residual,
    List<Finding> findings) {

  public AuditReport {
    groups = Collections.unmodifiableMap(new TreeMap<>(groups));
    batches = Collections.unmodifiableMap(new TreeMap<>(batches));
    findings = List.copyOf(findings);
  }

  public boolean isSound() {
    return findings.isEmpty() && residual == 0;
  }
}
