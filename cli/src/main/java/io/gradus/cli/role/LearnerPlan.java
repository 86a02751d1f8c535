package io.gradus.cli.role;

import io.gradus.cli.link.HostPort;
import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.config.v1.Auth;
import io.gradus.config.v1.ChunkServer;
import io.gradus.config.v1.LearnerSettings;
import io.gradus.learner.chunks.ChunkServerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// The settings of a learner, with every default, checked.
public final class LearnerPlan implements RolePlan {

  static final int MOST_REPLICAS = 8;
  static final long DRAIN_SECONDS = 30;
  static final int MOST_CONNECTIONS = 256;

  private final ReadSpec<LearnerSettings> read;
  private final LearnerSettings effective;
  private final List<HostPort> coordinators;
  private final Optional<ChunkServerConfig> chunkServer;

  private LearnerPlan(
      ReadSpec<LearnerSettings> read,
      LearnerSettings effective,
      List<HostPort> coordinators,
      Optional<ChunkServerConfig> chunkServer) {
    this.read = read;
    this.effective = effective;
    this.coordinators = coordinators;
    this.chunkServer = chunkServer;
  }

  /// Checks `read` as a whole.
  ///
  /// @param hostName the default name of the learner
  public static LearnerPlan of(ReadSpec<LearnerSettings> read, String hostName, int processors)
      throws SpecRefusedException {
    LearnerSettings effective = filled(read.spec(), hostName, processors);
    List<Problem> problems = new ArrayList<>();
    List<HostPort> coordinators =
        RoleSettings.coordinators(effective.getCoordinatorsList(), problems);
    RoleSettings.exposed("health.host", effective.getHealth().getHost(), effective.getAuth())
        .ifPresent(problems::add);
    Optional<ChunkServerConfig> chunkServer = chunkServer(effective, problems);
    SpecReader.refuse(read, problems);
    return new LearnerPlan(read, effective, coordinators, chunkServer);
  }

  private static Optional<ChunkServerConfig> chunkServer(
      LearnerSettings settings, List<Problem> problems) {
    if (!settings.hasChunkServer()) {
      return Optional.empty();
    }
    ChunkServer server = settings.getChunkServer();
    Optional<Problem> exposed =
        RoleSettings.exposed("chunk_server.host", server.getHost(), settings.getAuth());
    if (exposed.isPresent()) {
      problems.add(exposed.get());
      return Optional.empty();
    }
    ChunkServerConfig defaults = ChunkServerConfig.onLoopback(server.getPort());
    try {
      return Optional.of(
          new ChunkServerConfig(
              server.getHost(),
              server.getPort(),
              settings.getAuth() == Auth.AUTH_NONE
                  ? ChunkServerConfig.Auth.NONE
                  : ChunkServerConfig.Auth.LOOPBACK,
              Optional.of(server.getAdvertised()).filter(base -> !base.isEmpty()),
              server.getMaxConnections(),
              server.hasMaxBytesPerSecond()
                  ? OptionalLong.of(server.getMaxBytesPerSecond())
                  : OptionalLong.empty(),
              defaults.idleTimeout(),
              defaults.writeTimeout(),
              defaults.drainTimeout(),
              defaults.chunkBytes()));
    } catch (IllegalArgumentException e) {
      problems.add(RoleSettings.problem("chunk_server", e));
      return Optional.empty();
    }
  }

  private static LearnerSettings filled(LearnerSettings settings, String hostName, int processors) {
    LearnerSettings.Builder filled =
        settings.toBuilder().setHealth(WorkerPlan.filled(settings.getHealth()));
    if (settings.getLearnerId().isEmpty()) {
      filled.setLearnerId(hostName);
    }
    if (!settings.hasReplicas()) {
      filled.setReplicas(Math.clamp(processors / 2, 1, MOST_REPLICAS));
    }
    if (!settings.hasDrainTimeout()) {
      filled.setDrainTimeout(RoleSettings.seconds(DRAIN_SECONDS));
    }
    if (!settings.hasReconnectDeadline()) {
      filled.setReconnectDeadline(RoleSettings.seconds(WorkerPlan.RECONNECT_SECONDS));
    }
    if (settings.hasChunkServer()) {
      filled.setChunkServer(filled(settings.getChunkServer()));
    }
    return filled.build();
  }

  private static ChunkServer filled(ChunkServer server) {
    ChunkServer.Builder filled = server.toBuilder();
    if (server.getHost().isEmpty()) {
      filled.setHost(RoleSettings.LOOPBACK);
    }
    if (!server.hasPort()) {
      filled.setPort(0);
    }
    if (!server.hasMaxConnections()) {
      filled.setMaxConnections(MOST_CONNECTIONS);
    }
    return filled.build();
  }

  /// What serves checkpoints, if anything.
  Optional<ChunkServerConfig> chunkServer() {
    return chunkServer;
  }

  @Override
  public String explained() {
    return RoleSettings.explained(read, effective);
  }

  @Override
  public Role start() throws RoleException {
    return LearnerRole.start(effective, chunkServer, coordinators);
  }
}
