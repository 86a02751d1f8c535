package io.gradus.coordinator.audit;

/// Hears, about every second, how far an audit has come.
@FunctionalInterface
public interface AuditProgress {

  /// Hears of rows read so far, and says whether the audit is to go on.
  boolean rowsRead(long rows);
}
