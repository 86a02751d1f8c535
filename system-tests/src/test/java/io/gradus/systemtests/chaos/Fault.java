package io.gradus.systemtests.chaos;

import java.time.Duration;

/// What happens to a cluster.
enum Fault {
  /// SIGKILL of the coordinator that has the run.
  KILL_HOST,
  /// SIGKILL of the coordinator that has the run while its commit is under way: the database stands
  /// still meanwhile.
  KILL_HOST_IN_COMMIT(1, 2, 1),
  /// SIGKILL of any coordinator.
  KILL_COORDINATOR,
  /// SIGKILL of two coordinators within a second.
  KILL_TWO_COORDINATORS(2),
  /// SIGKILL of all three at once.
  KILL_ALL_COORDINATORS(2),
  /// SIGKILL of each coordinator in turn, the next when the one before is back.
  KILL_COORDINATORS_IN_TURN(3),
  /// SIGTERM to each coordinator in turn, the next when the one before is back.
  ROLL_COORDINATORS(3),
  /// SIGKILL of a worker.
  KILL_WORKER(0),
  /// SIGKILL of the learner.
  KILL_LEARNER(0),
  /// SIGSTOP, and later SIGCONT, of the coordinator that has the run: longer than it takes to be
  /// put out.
  STOP_HOST(8, 15, 1),
  /// The same for so long that the others have given up the lease by which they put it out.
  STOP_HOST_FOR_LONG(45, 60, 1),
  /// The same for less time than it takes to be put out: nothing happens.
  STOP_HOST_BRIEFLY(1, 2, 0),
  /// SIGSTOP, and later SIGCONT, of a worker, for longer than its leases live.
  STOP_WORKER(5, 20, 0),
  /// SIGSTOP, and later SIGCONT, of the learner.
  STOP_LEARNER(5, 15, 0),
  /// The coordinator that has the run neither reaches the others nor is reached; both reach the
  /// ledger.
  PART_HOST(8, 15, 1),
  /// The coordinator that has the run does not reach the others, which reach it.
  MUTE_HOST(8, 15, 1),
  /// The others do not reach the coordinator that has the run, which reaches them.
  DEAFEN_HOST(8, 15, 1),
  /// Nothing passes between a worker and the coordinators.
  PART_WORKER(5, 15, 0),
  /// Nothing passes between the learner and the coordinators.
  PART_LEARNER(5, 15, 0),
  /// SIGKILL of the database; it is started again.
  KILL_DATABASE(1, 3, 1),
  /// The database is stopped by its administrator, and started again.
  RESTART_DATABASE(1, 2, 1),
  /// SIGSTOP, and later SIGCONT, of the database.
  PAUSE_DATABASE(5, 30, 1),
  /// All connections to the database end, and it has none left.
  STARVE_DATABASE(3, 8, 1),
  /// The coordinator that has the run does not reach the database, and the others do.
  PART_HOST_FROM_DATABASE(14, 20, 1),
  /// Another coordinator does not.
  PART_COORDINATOR_FROM_DATABASE(14, 20, 1),
  /// A worker, simulated, that answers nonsense of every kind, and breaks its stream.
  TALK_NONSENSE(0),
  /// Submits of the past arrive once more: late, twice, and in another order.
  REPEAT_SUBMITS(0),
  /// A worker, simulated, whose heartbeats go on while it gets no further.
  HANG_ENGINE(12, 15, 0),
  /// A worker, simulated, that never heard of what it was granted.
  LOSE_GRANT(0),
  /// The learner cannot write more than a small file, as on a full disk.
  FILL_DISK(3, 8, 0),
  /// A byte of the newest durable checkpoint flips, and the learner is killed.
  FLIP_BYTE(0),
  /// A learner, simulated, under the name of the real one dies three times of the same batch.
  POISON_BATCH(0);

  private final Duration shortest;
  private final Duration longest;
  private final int takeovers;

  Fault() {
    this(0, 0, 1);
  }

  Fault(int takeovers) {
    this(0, 0, takeovers);
  }

  Fault(int shortestSeconds, int longestSeconds, int takeovers) {
    this.shortest = Duration.ofSeconds(shortestSeconds);
    this.longest = Duration.ofSeconds(longestSeconds);
    this.takeovers = takeovers;
  }

  /// The shortest time that it lasts.
  Duration shortest() {
    return shortest;
  }

  Duration longest() {
    return longest;
  }

  /// How often a run may change hands for it.
  int takeovers() {
    return takeovers;
  }
}
