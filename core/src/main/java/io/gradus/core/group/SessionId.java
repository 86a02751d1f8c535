package io.gradus.core.group;

/// One stream of one worker; a worker that reconnects gets a new session. Unique within an
/// incarnation of the run, never stored.
public record SessionId(long value) implements Comparable<SessionId> {

  public SessionId {
    if (value < 1) {
      throw new IllegalArgumentException("session id must be at least 1 but is " + value);
    }
  }

  @Override
  public int compareTo(SessionId other) {
    return Long.compare(value, other.value);
  }
}
