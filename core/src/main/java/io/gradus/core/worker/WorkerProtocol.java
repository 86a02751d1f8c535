package io.gradus.core.worker;

/// Versions of what workers and coordinators say to each other.
///
/// The number rises when one side must know something that the other cannot leave out; fields that
/// may be left out need no new one. Workers and coordinators of neighbouring releases work
/// together, so that a cluster is upgraded one process at a time, coordinators first.
public final class WorkerProtocol {

  /// What this build speaks.
  public static final int CURRENT = 1;

  /// The oldest that it understands. 0 is what workers speak that do not say it.
  public static final int OLDEST = 0;

  private WorkerProtocol() {}

  /// How a coordinator stands to a worker.
  public sealed interface Standing {

    /// Both speak the same.
    record Same() implements Standing {}

    /// The worker is older, and understood.
    record Older() implements Standing {}

    /// They do not understand each other.
    ///
    /// @param remedy which side is to be upgraded, for people
    record Unknown(String remedy) implements Standing {}
  }

  /// How a coordinator that understands `oldest` to `current` stands to a worker that speaks
  /// `spoken`.
  public static Standing standing(int spoken, int oldest, int current) {
    if (spoken > current) {
      return new Standing.Unknown("upgrade the coordinators first, or run an older worker");
    }
    if (spoken < oldest) {
      return new Standing.Unknown("upgrade the worker");
    }
    return spoken == current ? new Standing.Same() : new Standing.Older();
  }
}
