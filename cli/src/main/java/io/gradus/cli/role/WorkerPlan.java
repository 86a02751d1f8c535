package io.gradus.cli.role;

import io.gradus.cli.link.HostPort;
import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.config.v1.Listen;
import io.gradus.config.v1.WeightsCache;
import io.gradus.config.v1.WorkerSettings;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.weights.WeightsCacheConfig;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The settings of a rollout worker, with every default, checked.
public final class WorkerPlan implements RolePlan {

  static final int SLOTS = 256;
  static final long DRAIN_SECONDS = 10;
  static final long RECONNECT_SECONDS = 600;
  static final long CHUNK_SECONDS = 60;
  static final String POOL = "default";

  private final ReadSpec<WorkerSettings> read;
  private final WorkerSettings effective;
  private final List<HostPort> coordinators;
  private final WorkerConfig config;

  private WorkerPlan(
      ReadSpec<WorkerSettings> read,
      WorkerSettings effective,
      List<HostPort> coordinators,
      WorkerConfig config) {
    this.read = read;
    this.effective = effective;
    this.coordinators = coordinators;
    this.config = config;
  }

  /// Checks `read` as a whole.
  ///
  /// @param hostName the default name of the worker
  public static WorkerPlan of(ReadSpec<WorkerSettings> read, String hostName)
      throws SpecRefusedException {
    WorkerSettings effective = filled(read.spec(), hostName);
    List<Problem> problems = new ArrayList<>();
    List<HostPort> coordinators =
        RoleSettings.coordinators(effective.getCoordinatorsList(), problems);
    RoleSettings.exposed("health.host", effective.getHealth().getHost(), effective.getAuth())
        .ifPresent(problems::add);
    Optional<WeightsCacheConfig> cache = weightsCache(effective, problems);
    Map<String, String> labels = labels(effective.getLabelsList(), problems);
    SpecReader.refuse(read, problems);
    WorkerConfig config =
        WorkerConfig.of(effective.getWorkerId(), effective.getSlots())
            .withLimits(
                RoleSettings.toJava(effective.getReconnectDeadline()),
                RoleSettings.toJava(effective.getDrainTimeout()))
            .withPool(effective.getPool())
            .withLabels(labels);
    return new WorkerPlan(
        read,
        effective,
        coordinators,
        cache.isPresent() ? config.withWeightsCache(cache.get()) : config);
  }

  private static Map<String, String> labels(List<String> texts, List<Problem> problems) {
    Map<String, String> labels = new TreeMap<>();
    for (int i = 0; i < texts.size(); i++) {
      int end = texts.get(i).indexOf('=');
      String name = texts.get(i).substring(0, end);
      if (labels.put(name, texts.get(i).substring(end + 1)) != null) {
        problems.add(
            new Problem(
                "labels[%d]".formatted(i), "gives %s a second time; keep one".formatted(name)));
      }
    }
    return labels;
  }

  private static Optional<WeightsCacheConfig> weightsCache(
      WorkerSettings settings, List<Problem> problems) {
    if (!settings.hasWeightsCache()) {
      return Optional.empty();
    }
    WeightsCache cache = settings.getWeightsCache();
    Path directory;
    try {
      directory = Path.of(cache.getDirectory());
    } catch (InvalidPathException e) {
      problems.add(
          new Problem(
              "weights_cache.directory", "cannot be a directory: %s".formatted(e.getReason())));
      return Optional.empty();
    }
    try {
      return Optional.of(
          new WeightsCacheConfig(
              directory, cache.getMaxBytes(), RoleSettings.toJava(cache.getChunkTimeout())));
    } catch (IllegalArgumentException e) {
      problems.add(RoleSettings.problem("weights_cache", e));
      return Optional.empty();
    }
  }

  private static WorkerSettings filled(WorkerSettings settings, String hostName) {
    WorkerSettings.Builder filled = settings.toBuilder().setHealth(filled(settings.getHealth()));
    if (settings.getWorkerId().isEmpty()) {
      filled.setWorkerId(hostName);
    }
    if (!settings.hasSlots()) {
      filled.setSlots(SLOTS);
    }
    if (!settings.hasThreads()) {
      filled.setThreads(1);
    }
    if (!settings.hasDrainTimeout()) {
      filled.setDrainTimeout(RoleSettings.seconds(DRAIN_SECONDS));
    }
    if (!settings.hasReconnectDeadline()) {
      filled.setReconnectDeadline(RoleSettings.seconds(RECONNECT_SECONDS));
    }
    if (settings.getPool().isEmpty()) {
      filled.setPool(POOL);
    }
    if (settings.hasWeightsCache() && !settings.getWeightsCache().hasChunkTimeout()) {
      filled.getWeightsCacheBuilder().setChunkTimeout(RoleSettings.seconds(CHUNK_SECONDS));
    }
    return filled.build();
  }

  static Listen filled(Listen listen) {
    Listen.Builder filled = listen.toBuilder();
    if (listen.getHost().isEmpty()) {
      filled.setHost(RoleSettings.LOOPBACK);
    }
    if (!listen.hasPort()) {
      filled.setPort(0);
    }
    return filled.build();
  }

  /// What the worker is started with.
  WorkerConfig config() {
    return config;
  }

  @Override
  public String explained() {
    return RoleSettings.explained(read, effective);
  }

  @Override
  public Role start() throws RoleException {
    return WorkerRole.start(effective, config, coordinators);
  }
}
