package io.gradus.worker;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.worker.engine.Engine;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeasedGroup;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The weights a worker has loaded: for each run the newest, and beside it at most one other that
/// leases pin, for evaluations of a version that is no longer the newest. Used by the engine's
/// thread only; owns every policy on it.
final class PolicyShelf implements AutoCloseable {

  private static final class Policies {
    private @Nullable LoadedPolicy newest;
    private @Nullable LoadedPolicy pinned;
  }

  private final Engine engine;
  private final LeaseBook book;
  private final BiConsumer<String, PolicyVersion> loaded;
  private final TreeMap<String, Policies> byRun = new TreeMap<>();

  /// @param loaded told the run and its version in use whenever that has changed
  PolicyShelf(Engine engine, LeaseBook book, BiConsumer<String, PolicyVersion> loaded) {
    this.engine = engine;
    this.book = book;
    this.loaded = loaded;
  }

  /// Replaces the newest weights of a run. If they cannot be loaded the older ones stay.
  void load(String runId, Manifest manifest) throws EngineException {
    Policies policies = byRun.computeIfAbsent(runId, _ -> new Policies());
    LoadedPolicy newest = policies.newest;
    if (newest != null && newest.version().compareTo(manifest.version()) >= 0) {
      return;
    }
    LoadedPolicy pinned = policies.pinned;
    if (pinned != null && pinned.version().equals(manifest.version())) {
      policies.newest = pinned;
      policies.pinned = null;
    } else {
      policies.newest = fresh(runId, manifest);
    }
    if (newest != null) {
      newest.close();
    }
    tellBook(runId, policies);
    loaded.accept(runId, manifest.version());
  }

  /// The weights that a group is to be sampled with.
  ///
  /// @throws EngineException if it pins a version that is unknown or cannot be loaded, or none is
  ///   loaded
  LoadedPolicy policyFor(LeasedGroup group) throws EngineException {
    String runId = group.run().runId();
    Policies policies = byRun.computeIfAbsent(runId, _ -> new Policies());
    Optional<PolicyVersion> pinned = group.pinned();
    LoadedPolicy newest = policies.newest;
    if (pinned.isEmpty()) {
      if (newest == null) {
        throw new EngineException("no policy version of run %s is loaded".formatted(runId));
      }
      return newest;
    }
    PolicyVersion version = pinned.get();
    if (newest != null && newest.version().equals(version)) {
      return newest;
    }
    LoadedPolicy other = policies.pinned;
    if (other != null && other.version().equals(version)) {
      return other;
    }
    Manifest manifest =
        book.manifest(runId, version)
            .orElseThrow(() ->
                new EngineException(
                    "the files of policy version %d of run %s are not here"
                        .formatted(version.value(), runId)));
    if (newest == null || newest.version().compareTo(version) < 0) {
      load(runId, manifest);
      return policyFor(group);
    }
    LoadedPolicy fresh = fresh(runId, manifest);
    policies.pinned = fresh;
    if (other != null) {
      other.close();
    }
    tellBook(runId, policies);
    return fresh;
  }

  private LoadedPolicy fresh(String runId, Manifest manifest) throws EngineException {
    try {
      return engine.load(manifest);
    } catch (EngineException | RuntimeException e) {
      book.loadFailed(runId, manifest.version());
      throw e;
    }
  }

  /// What is loaded stays in the cache.
  private void tellBook(String runId, Policies policies) {
    book.loaded(
        runId,
        Stream.of(Optional.ofNullable(policies.newest), Optional.ofNullable(policies.pinned))
            .flatMap(Optional::stream)
            .map(LoadedPolicy::version)
            .collect(Collectors.toSet()));
  }

  void retire(String runId) {
    Policies policies = byRun.remove(runId);
    if (policies != null) {
      close(policies.pinned);
      close(policies.newest);
    }
  }

  @Override
  public void close() {
    for (String runId : byRun.keySet().toArray(String[]::new)) {
      retire(runId);
    }
  }

  private static void close(@Nullable LoadedPolicy policy) {
    if (policy != null) {
      policy.close();
    }
  }
}
