package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.Write;

/// The writes of a transaction contradict the rows that are there; none of them was kept.
final class ContradictionException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private ContradictionException(String message) {
    super(message);
  }

  static ContradictionException noPayload(Write.RequirePayload require) {
    return new ContradictionException(
        "group %d was to be admitted under lease %d, but no payload with digest %s is there"
            .formatted(require.group().value(), require.lease().value(), require.digest().hex()));
  }
}
