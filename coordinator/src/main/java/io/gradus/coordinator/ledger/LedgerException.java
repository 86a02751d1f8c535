package io.gradus.coordinator.ledger;

/// The ledger cannot do what was asked; the message says why and what to do.
public final class LedgerException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /// What kind of failure it is.
  public enum Kind {
    /// The file is not a ledger, or is damaged.
    DAMAGED,
    /// Another process, or another part of this one, has it open.
    IN_USE,
    /// The database would acknowledge commits that it has not synced.
    UNSAFE,
    /// It was written by a newer release.
    NEWER,
    /// It cannot be reached or written: permissions, a full disk, a lost connection.
    UNAVAILABLE
  }

  private final Kind kind;

  LedgerException(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  LedgerException(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
