package io.gradus.worker.lease;

import static java.util.Comparator.naturalOrder;

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
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;

/// Which leases this worker holds, which versions it heard of, and what the engine does next.
/// Shared by the stream's callbacks, which fill it, the weights' thread, which brings files here,
/// and the engine's thread, which empties it; every field is guarded by one lock.
///
/// | a lease is | after | until |
/// |---|---|---|
/// | QUEUED | it was granted | the engine takes it; revoked, its run closed or the stream broken: gone |
/// | SAMPLING | the engine took it | it is sampled and verified, or failed; revoked: marked, its result is dropped |
/// | SUBMITTING | it was verified | its outcome is known or the submit given up |
///
/// | a version is | after | until |
/// |---|---|---|
/// | announced | the coordinator named it | its files are here |
/// | here | its files are | the engine could not load it, or they were dropped from the cache: announced |
///
/// The engine loads what is here and samples meanwhile with what it has; a group whose version is
/// not here stays queued. Until the first version of any run is here the worker asks for no leases.
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

  /// A version whose files are needed and not here.
  ///
  /// @param sources where they may be had from, apart from the manifest's own URI
  /// @param failedLoads how often the engine could not load it although they were here
  public record Want(String runId, Manifest manifest, List<String> sources, int failedLoads) {

    public Want {
      sources = List.copyOf(sources);
    }
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

  private static final class Version {

    private Manifest manifest;
    private List<String> sources;

    /// The manifest with the URI of files that are here.
    private Optional<Manifest> here = Optional.empty();

    private int failedLoads;

    private Version(Manifest manifest, List<String> sources) {
      this.manifest = manifest;
      this.sources = sources;
    }
  }

  private static final class RunEntry {

    private final RunAssignment assignment;
    private final TreeMap<PolicyVersion, Version> versions = new TreeMap<>();

    /// The newest version that the engine has tried to load.
    private PolicyVersion attempted = new PolicyVersion(0);

    /// What the engine holds.
    private Set<PolicyVersion> loaded = Set.of();

    private RunEntry(RunAssignment assignment) {
      this.assignment = assignment;
    }

    /// Whether groups that name no version can be sampled, or will fail for good.
    private boolean hasWeights() {
      return versions.isEmpty()
          || !loaded.isEmpty()
          || versions.values().stream().anyMatch(version -> version.here.isPresent());
    }
  }

  private record Key(String runId, LeaseId lease) {}

  /// Announced versions that are remembered, for leases that pin one.
  private static final int VERSIONS_KEPT = 256;

  private final int slots;
  private final int asked;
  private final int queueCapacity;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition engineMayWork = lock.newCondition();
  private final Condition wantsChanged = lock.newCondition();
  private final Map<String, RunEntry> runs = new TreeMap<>();
  private final LinkedHashMap<Key, Held> held = new LinkedHashMap<>();
  private final ArrayDeque<Held> queue = new ArrayDeque<>();
  private final ArrayDeque<String> retired = new ArrayDeque<>();
  private long blocks;

  /// Rises whenever [#wants] may have changed.
  private long changes;

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
          entry.versions.putAll(known.versions);
          entry.attempted = known.attempted;
          entry.loaded = known.loaded;
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

  /// Makes a version known, or where else it may be had from; versions only rise, so an older one
  /// than the newest is merely remembered.
  ///
  /// @param sources URIs of directories with its files, the first one to be asked first
  public void announce(String runId, Manifest manifest, List<String> sources) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      if (entry == null) {
        return;
      }
      Version known = entry.versions.get(manifest.version());
      if (known == null) {
        entry.versions.put(manifest.version(), new Version(manifest, List.copyOf(sources)));
        if (entry.versions.size() > VERSIONS_KEPT) {
          entry.versions.pollFirstEntry();
        }
      } else {
        known.manifest = manifest;
        known.sources = List.copyOf(sources);
      }
      wantsMayHaveChanged();
    } finally {
      lock.unlock();
    }
  }

  /// A version's manifest with the URI of files that are here, if they are.
  public Optional<Manifest> manifest(String runId, PolicyVersion version) {
    lock.lock();
    try {
      return find(runId, version).flatMap(known -> known.here);
    } finally {
      lock.unlock();
    }
  }

  private Optional<Version> find(String runId, PolicyVersion version) {
    RunEntry entry = runs.get(runId);
    return entry == null ? Optional.empty() : Optional.ofNullable(entry.versions.get(version));
  }

  private void wantsMayHaveChanged() {
    changes++;
    wantsChanged.signalAll();
  }

  /// Versions whose files are needed and not here: the newest of each run, and those that leases
  /// pin.
  public List<Want> wants() {
    lock.lock();
    try {
      var wants = new ArrayList<Want>();
      runs.forEach((runId, entry) ->
          entry.versions.forEach((number, version) -> {
            if (version.here.isEmpty() && isNeeded(runId, entry, number)) {
              wants.add(new Want(runId, version.manifest, version.sources, version.failedLoads));
            }
          }));
      return wants;
    } finally {
      lock.unlock();
    }
  }

  private boolean isNeeded(String runId, RunEntry entry, PolicyVersion version) {
    return entry.versions.lastKey().equals(version)
        || held.values().stream()
            .anyMatch(lease ->
                lease.group.run().runId().equals(runId)
                    && lease.group.pinned().filter(version::equals).isPresent());
  }

  /// A number that rises whenever [#wants] may have changed.
  public long changes() {
    lock.lock();
    try {
      return changes;
    } finally {
      lock.unlock();
    }
  }

  /// Waits until [#changes] is no longer `seen`, but not longer than so many nanoseconds.
  public void awaitChange(long seen, long nanos) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long left = nanos;
      while (changes == seen && left > 0) {
        left = wantsChanged.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /// Whether the worker is closing.
  public boolean isStopping() {
    lock.lock();
    try {
      return stopping;
    } finally {
      lock.unlock();
    }
  }

  /// The files of a version are here.
  ///
  /// @param manifest with the URI at which they are
  public void arrived(String runId, Manifest manifest) {
    lock.lock();
    try {
      find(runId, manifest.version()).ifPresent(version -> version.here = Optional.of(manifest));
      engineMayWork.signal();
    } finally {
      lock.unlock();
    }
  }

  /// The engine could not load a version whose files are here: it is needed once more, and until
  /// then what is loaded, or is here and newer than that, has to do.
  public void loadFailed(String runId, PolicyVersion version) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      if (entry == null) {
        return;
      }
      Version known = entry.versions.get(version);
      if (known != null) {
        known.here = Optional.empty();
        known.failedLoads++;
        entry.attempted = entry.loaded.stream().max(naturalOrder()).orElse(new PolicyVersion(0));
        wantsMayHaveChanged();
      }
    } finally {
      lock.unlock();
    }
  }

  /// The engine holds these versions of a run, and no others.
  public void loaded(String runId, Set<PolicyVersion> versions) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      if (entry != null) {
        entry.loaded = Set.copyOf(versions);
      }
    } finally {
      lock.unlock();
    }
  }

  /// Lets go of the files of a version, unless the engine holds it or may come to load it; whether
  /// they may be deleted now.
  public boolean letGo(String runId, PolicyVersion version) {
    lock.lock();
    try {
      RunEntry entry = runs.get(runId);
      if (entry == null) {
        return true;
      }
      Version known = entry.versions.get(version);
      if (known == null) {
        return true;
      }
      boolean isNewestHere =
          known.here.isPresent()
              && entry.versions.tailMap(version, false).values().stream()
                  .allMatch(newer -> newer.here.isEmpty());
      if (isNewestHere || entry.loaded.contains(version) || isNeeded(runId, entry, version)) {
        return false;
      }
      known.here = Optional.empty();
      return true;
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
      wantsMayHaveChanged();
    } finally {
      lock.unlock();
    }
    return refused;
  }

  private static LeasedGroup pinned(LeasedGroup group, RunEntry entry) {
    if (!group.run().lockstep() || group.pinned().isPresent() || entry.versions.isEmpty()) {
      return group;
    }
    return new LeasedGroup(
        group.run(),
        group.group(),
        group.lease(),
        group.task(),
        group.purpose(),
        group.members(),
        Optional.of(entry.versions.lastKey()));
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
      wantsMayHaveChanged();
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
      wantsMayHaveChanged();
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
        List<LeasedGroup> batch = nextBatch();
        if (!batch.isEmpty()) {
          return new Work.Sample(batch);
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
      if (entry.assignment.lockstep()) {
        continue;
      }
      for (Version version : entry.versions.descendingMap().values()) {
        if (version.manifest.version().compareTo(entry.attempted) <= 0) {
          break;
        }
        if (version.here.isPresent()) {
          entry.attempted = version.manifest.version();
          return Optional.of(new Work.Load(entry.assignment, version.here.get()));
        }
      }
    }
    return Optional.empty();
  }

  /// Whether the weights of a group are here, or never will be, which the engine then says.
  private boolean canBeSampled(LeasedGroup group) {
    RunEntry entry = runs.get(group.run().runId());
    if (entry == null) {
      return true;
    }
    if (group.pinned().isEmpty()) {
      return entry.hasWeights();
    }
    Version pinned = entry.versions.get(group.pinned().get());
    return pinned == null || pinned.here.isPresent() || entry.loaded.contains(group.pinned().get());
  }

  /// Takes up to `slots` groups that can be sampled together with the oldest one whose weights are
  /// here, in the order of their grants. In lockstep only groups of one grant go together, so that
  /// no batch depends on how much had arrived.
  private List<LeasedGroup> nextBatch() {
    var batch = new ArrayList<LeasedGroup>(Math.min(slots, queue.size()));
    Held first = null;
    Iterator<Held> waiting = queue.iterator();
    while (waiting.hasNext() && batch.size() < slots) {
      Held next = waiting.next();
      if (first == null && canBeSampled(next.group)) {
        first = next;
      }
      if (first != null && goTogether(first, next)) {
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
      // A lease that waits for weights would only run out. While there is no run yet, credits are
      // what brings one.
      boolean isIdle = !runs.isEmpty() && runs.values().stream().noneMatch(RunEntry::hasWeights);
      return new Standing(stopping || isIdle ? 0 : credits, holdings);
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
