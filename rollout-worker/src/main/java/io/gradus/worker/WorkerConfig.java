package io.gradus.worker;

import io.gradus.worker.weights.WeightsCacheConfig;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// Settings of a rollout worker.
///
/// @param workerId stable for the life of the process
/// @param slots groups that the engine samples together
/// @param queuedGroups groups asked for beyond those being sampled, so that the engine never waits
///   for a grant
/// @param submitsInFlight finished engine batches that may wait for their acknowledgement
/// @param submitTimeout how long one attempt to submit may take
/// @param reconnectDeadline how long the coordinator may be away before the worker gives up
/// @param drainTimeout how long closing waits for submits that are under way
/// @param weightsCache where checkpoints are fetched to that this host does not see; absent: it
///   sees the checkpoint store
/// @param pool of the workers that it is one of; it samples for runs of this pool alone
/// @param labels what people are to know of it, by name
public record WorkerConfig(
    String workerId,
    int slots,
    int queuedGroups,
    int submitsInFlight,
    Duration submitTimeout,
    Duration reconnectDeadline,
    Duration drainTimeout,
    Optional<WeightsCacheConfig> weightsCache,
    String pool,
    Map<String, String> labels) {

  private static final Pattern POOL = Pattern.compile("[a-z0-9][a-z0-9-]{0,62}");

  public WorkerConfig {
    if (workerId.isEmpty() || workerId.length() > 128) {
      throw new IllegalArgumentException(
          "worker id must have 1 to 128 characters but has " + workerId.length());
    }
    if (slots < 1 || slots > 65_536 || queuedGroups < 1 || submitsInFlight < 1) {
      throw new IllegalArgumentException(
          "worker %s has %d slots (1 to 65536), %d queued groups and %d submits in flight (1 or more)"
              .formatted(workerId, slots, queuedGroups, submitsInFlight));
    }
    if (!submitTimeout.isPositive() || !reconnectDeadline.isPositive()) {
      throw new IllegalArgumentException(
          "submit timeout %s and reconnect deadline %s must be positive"
              .formatted(submitTimeout, reconnectDeadline));
    }
    if (!POOL.matcher(pool).matches()) {
      throw new IllegalArgumentException("pool is \"%s\" but must match %s".formatted(pool, POOL));
    }
    labels = Collections.unmodifiableMap(new TreeMap<>(labels));
  }

  /// The defaults for a worker of so many slots.
  public static WorkerConfig of(String workerId, int slots) {
    return new WorkerConfig(
        workerId,
        slots,
        slots,
        2,
        Duration.ofSeconds(30),
        Duration.ofMinutes(2),
        Duration.ofSeconds(5),
        Optional.empty(),
        "default",
        Map.of());
  }

  /// The same in another pool.
  public WorkerConfig withPool(String other) {
    return new WorkerConfig(
        workerId,
        slots,
        queuedGroups,
        submitsInFlight,
        submitTimeout,
        reconnectDeadline,
        drainTimeout,
        weightsCache,
        other,
        labels);
  }

  /// The same with labels.
  public WorkerConfig withLabels(Map<String, String> others) {
    return new WorkerConfig(
        workerId,
        slots,
        queuedGroups,
        submitsInFlight,
        submitTimeout,
        reconnectDeadline,
        drainTimeout,
        weightsCache,
        pool,
        others);
  }

  /// The same with a cache for checkpoints.
  public WorkerConfig withWeightsCache(WeightsCacheConfig cache) {
    return new WorkerConfig(
        workerId,
        slots,
        queuedGroups,
        submitsInFlight,
        submitTimeout,
        reconnectDeadline,
        drainTimeout,
        Optional.of(cache),
        pool,
        labels);
  }

  /// The same with other limits for the absence of the coordinator, and for closing.
  public WorkerConfig withLimits(Duration reconnecting, Duration draining) {
    return new WorkerConfig(
        workerId,
        slots,
        queuedGroups,
        submitsInFlight,
        submitTimeout,
        reconnecting,
        draining,
        weightsCache,
        pool,
        labels);
  }
}
