package io.gradus.worker.lease;

import io.gradus.core.group.LeaseId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.worker.run.RunAssignment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;

/// Which leases this worker holds and what the engine does next. Shared by the stream's callbacks,
/// which fill it, and the engine's thread, which empties it; every field is guarded by one lock.
///
/// | a lease is | after | until |
/// |---|---|---|
/// | QUEUED | it was granted | the engine takes it; revoked, its run closed or the stream broken: gone |
/// | SAMPLING | the engine took it | it is sampled and verified, or failed; revoked: marked, its result is dropped |
/// | SUBMITTING | it was verified | its outcome is known or the submit given up |
///
/// A broken stream returns all leases, but groups that are sampled or submitted are carried on: the
/// first durable submit of any lease of an open group wins.
public final class LeaseBook {

  /// What the engine does next.
  public sealed interface Work {

    /// Sample these groups: one run, one purpose's rules, one version.
    record Sample(List<LeasedGroup> groups) implements Work {

      public Sample {
        groups = List.copyOf(groups);
      }
    }

    /// Load newer weights while nothing is being sampled.
    record Load(RunAssignment run, Manifest manifest) implements Work {}

    /// Forget a run's weights.
    record Retire(String runId) implements Work {}

    /// The worker is closing.
    record Stop() implements Work {}
  }

  /// A lease as a heartbeat names it.
  public record Holding(String runId, LeaseId lease, long progress) {}

  /// What a worker says of itself in a heartbeat.
  public record Standing(int credits, List<Holding> holdings) {

    public Standing {
      holdings = List.copyOf(holdings);
    }
  }

  private enum Stage {
    QUEUED,
    SAMPLING,
    SUBMITTING
  }

  private static final class Held {

    private final LeasedGroup group;

    /// Groups of one block may share an engine batch in lockstep: those of one grant.
    private final long block;

    private Stage stage = Stage.QUEUED;
    private boolean revoked;

    private Held(LeasedGroup group, long block) {
      this.group = group;
      this.block = block;
    }
  }

  private static final class RunEntry {

    private final RunAssignment assignment;
    private final TreeMap<PolicyVersion, Manifest> manifests = new TreeMap<>();

    /// The newest version that the engine has tried to load.
    private PolicyVersion attempted = new PolicyVersion(0);

    private RunEntry(RunAssignment assignment) {
      this.assignment = assignment;
    }
  }

  private record Key(String runId, LeaseId lease) {}

  /// Announced versions that are remembered, for leases that pin one.
  private static final int MANIFESTS_KEPT = 256;

  private final int slots;
  private final int asked;
  private final int queueCapacity;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition engineMayWork = lock.newCondition();
  private final Map<String, RunEntry> runs = new TreeMap<>();
  private final LinkedHashMap<Key, Held> held = new LinkedHashMap<>();
  private final ArrayDeque<Held> queue = new ArrayDeque<>();
  private final ArrayDeque<String> retired = new ArrayDeque<>();
  private long blocks;
  private boolean stopping;

  /// @param slots groups in an engine batch
  /// @param queuedGroups groups asked for beyond the batch that is being sampled
  public LeaseBook(int slots, int queuedGroups) {
    if (slots < 1 || queuedGroups < 1) {
      throw new IllegalArgumentException(
          "%d slots and %d queued groups; both must be at least 1".formatted(slots, queuedGroups));
    }
    this.slots = slots;
    // Credits are what the worker takes beyond the leases that the heartbeat names. A grant that
    // crosses a heartbeat on the wire is not among them, so there is room for some of those.
    queueCapacity = 4 * (slots + queuedGroups);
    asked = slots + queuedGroups;
  }

  /// Makes a run known; what was announced of it before stays.
  public void assign(RunAssignment assignment) {
    lock.lock();
    try {
      RunEntry known = runs.get(assignment.runId());
      if (known == null || !known.assignment.equals(assignment)) {
        var entry = new RunEntry(assignment);
        if (known != null) {
          entry.manifests.putAll(known.manifests);
          entry.attempted = known.attempted;
        }
        runs.put(assignment.runId(), entry);
      }
    } finally {
      lock.unlock();
    }
  }

  /// The run, if it was assigned and is not closed.
  public Optional<RunAssignment> assignment(String runId) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      return entry == null ? Optional.empty() : Optional.of(entry.assignment);
    } finally {
      lock.unlock();
    }
  }

  /// Makes a version known; versions only rise, so an older one than the newest is merely
  /// remembered.
  public void announce(String runId, Manifest manifest) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      if (entry == null) {
        return;
      }
      entry.manifests.put(manifest.version(), manifest);
      if (entry.manifests.size() > MANIFESTS_KEPT) {
        entry.manifests.pollFirstEntry();
      }
      engineMayWork.signal();
    } finally {
      lock.unlock();
    }
  }

  /// A version's manifest, if it was announced not too long ago.
  public Optional<Manifest> manifest(String runId, PolicyVersion version) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      return entry == null ? Optional.empty() : Optional.ofNullable(entry.manifests.get(version));
    } finally {
      lock.unlock();
    }
  }

  /// Queues the groups of one grant; returns those for which there is no room.
  ///
  /// In lockstep a group without a version of its own is pinned here to the newest one announced so
  /// far: the order of the stream decides, not the moment at which the engine gets to it.
  public List<LeasedGroup> grant(List<LeasedGroup> groups) {
    var refused = new ArrayList<LeasedGroup>();
    lock.lock();
    try {
      blocks++;
      for (LeasedGroup granted : groups) {
        var key = new Key(granted.run().runId(), granted.lease());
        RunEntry entry = runs.get(granted.run().runId());
        if (entry == null || queue.size() >= queueCapacity) {
          refused.add(granted);
        } else if (!held.containsKey(key)) {
          var entryHeld = new Held(pinned(granted, entry), blocks);
          held.put(key, entryHeld);
          queue.add(entryHeld);
        }
      }
      engineMayWork.signal();
    } finally {
      lock.unlock();
    }
    return refused;
  }

  private static LeasedGroup pinned(LeasedGroup group, RunEntry entry) {
    if (!group.run().lockstep() || group.pinned().isPresent() || entry.manifests.isEmpty()) {
      return group;
    }
    return new LeasedGroup(
        group.run(),
        group.group(),
        group.lease(),
        group.task(),
        group.purpose(),
        group.members(),
        Optional.of(entry.manifests.lastKey()));
  }

  /// Drops leases that are lost.
  public void revoke(String runId, List<LeaseId> leases) {
    var lost = new HashSet<>(leases);
    lock.lock();
    try {
      drop(h -> h.group.run().runId().equals(runId) && lost.contains(h.group.lease()));
    } finally {
      lock.unlock();
    }
  }

  /// Forgets a run with all its leases.
  public void close(String runId) {
    lock.lock();
    try {
      drop(h -> h.group.run().runId().equals(runId));
      if (runs.remove(runId) != null) {
        retired.add(runId);
      }
      engineMayWork.signal();
    } finally {
      lock.unlock();
    }
  }

  /// The stream broke: what is queued belongs to others now.
  public void disconnected() {
    lock.lock();
    try {
      queue.clear();
      held.values().removeIf(h -> h.stage == Stage.QUEUED);
    } finally {
      lock.unlock();
    }
  }

  /// Lets the engine go; what it has not taken yet stays untouched.
  public void stop() {
    lock.lock();
    try {
      stopping = true;
      engineMayWork.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// Takes the groups that nobody has begun to sample, for others to sample. A lockstep run's are
  /// left where they are: it re-sends them to the same worker.
  public List<LeasedGroup> takeQueued() {
    lock.lock();
    try {
      List<LeasedGroup> taken =
          queue.stream().map(h -> h.group).filter(group -> !group.run().lockstep()).toList();
      drop(h -> h.stage == Stage.QUEUED && !h.group.run().lockstep());
      return taken;
    } finally {
      lock.unlock();
    }
  }

  private void drop(Predicate<Held> isLost) {
    queue.removeIf(isLost);
    Iterator<Held> all = held.values().iterator();
    while (all.hasNext()) {
      Held lease = all.next();
      if (isLost.test(lease)) {
        if (lease.stage == Stage.QUEUED) {
          all.remove();
        } else {
          lease.revoked = true;
        }
      }
    }
  }

  /// Waits for the engine's next piece of work.
  public Work take() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (true) {
        if (stopping) {
          return new Work.Stop();
        }
        if (!retired.isEmpty()) {
          return new Work.Retire(retired.remove());
        }
        Optional<Work> load = newerVersion();
        if (load.isPresent()) {
          return load.get();
        }
        if (!queue.isEmpty()) {
          return new Work.Sample(nextBatch());
        }
        engineMayWork.await();
      }
    } finally {
      lock.unlock();
    }
  }

  private Optional<Work> newerVersion() {
    for (RunEntry entry : runs.values()) {
      // In lockstep every group names its version, and the engine loads it when it comes to it.
      if (!entry.assignment.lockstep()
          && !entry.manifests.isEmpty()
          && entry.manifests.lastKey().compareTo(entry.attempted) > 0) {
        entry.attempted = entry.manifests.lastKey();
        return Optional.of(new Work.Load(entry.assignment, entry.manifests.lastEntry().getValue()));
      }
    }
    return Optional.empty();
  }

  /// Takes up to `slots` groups that can be sampled together with the oldest one, in the order of
  /// their grants. In lockstep only groups of one grant go together, so that no batch depends on
  /// how much had arrived.
  private List<LeasedGroup> nextBatch() {
    var batch = new ArrayList<LeasedGroup>(Math.min(slots, queue.size()));
    Held first = queue.element();
    Iterator<Held> waiting = queue.iterator();
    while (waiting.hasNext() && batch.size() < slots) {
      Held next = waiting.next();
      if (goTogether(first, next)) {
        waiting.remove();
        next.stage = Stage.SAMPLING;
        batch.add(next.group);
      }
    }
    return batch;
  }

  private static boolean goTogether(Held first, Held next) {
    LeasedGroup a = first.group;
    LeasedGroup b = next.group;
    return a.run().runId().equals(b.run().runId())
        && a.purpose().isTraining() == b.purpose().isTraining()
        && a.pinned().equals(b.pinned())
        && (!a.run().lockstep() || first.block == next.block);
  }

  /// Whether a lease that was taken has been lost since.
  public boolean isRevoked(LeasedGroup group) {
    lock.lock();
    try {
      Held lease = held.get(new Key(group.run().runId(), group.lease()));
      return lease == null || lease.revoked;
    } finally {
      lock.unlock();
    }
  }

  /// Marks a group as verified; false if its lease was lost meanwhile, which then is forgotten.
  public boolean beginSubmit(LeasedGroup group) {
    lock.lock();
    try {
      var key = new Key(group.run().runId(), group.lease());
      Held lease = held.get(key);
      if (lease == null || lease.revoked) {
        held.remove(key);
        return false;
      }
      lease.stage = Stage.SUBMITTING;
      return true;
    } finally {
      lock.unlock();
    }
  }

  /// Forgets a lease: its outcome is known, or it was given back.
  public void release(String runId, LeaseId lease) {
    lock.lock();
    try {
      held.remove(new Key(runId, lease));
    } finally {
      lock.unlock();
    }
  }

  /// Credits and holdings for a heartbeat.
  ///
  /// A lockstep run gets its credits only when nothing is held, so that how much is granted at once
  /// does not depend on how far the engine happens to be.
  ///
  /// @param engineProgress a number that rises with every token that the engine samples
  public Standing standing(long engineProgress) {
    lock.lock();
    try {
      var holdings = new ArrayList<Holding>(held.size());
      int open = 0;
      for (Held lease : held.values()) {
        long progress =
            switch (lease.stage) {
              case QUEUED -> 0;
              case SAMPLING -> 1 + engineProgress;
              case SUBMITTING -> Long.MAX_VALUE;
            };
        holdings.add(new Holding(lease.group.run().runId(), lease.group.lease(), progress));
        if (lease.stage != Stage.SUBMITTING) {
          open++;
        }
      }
      boolean lockstep = runs.values().stream().anyMatch(r -> r.assignment.lockstep());
      int credits = Math.max(0, asked - open);
      if (lockstep) {
        credits = held.isEmpty() ? slots : 0;
      }
      return new Standing(stopping ? 0 : credits, holdings);
    } finally {
      lock.unlock();
    }
  }

  /// Groups per stage, for people and tests.
  @Override
  public String toString() {
    lock.lock();
    try {
      Map<Stage, Integer> stages = new HashMap<>();
      held.values().forEach(h -> stages.merge(h.stage, 1, Integer::sum));
      return "LeaseBook%s of runs %s".formatted(new TreeMap<>(stages), runs.keySet());
    } finally {
      lock.unlock();
    }
  }
}
