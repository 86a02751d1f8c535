package io.gradus.cli.role;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.HealthServer;
import io.gradus.cli.link.HostPort;
import io.gradus.cli.link.Statuses;
import io.gradus.config.v1.Listen;
import io.gradus.config.v1.WorkerSettings;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.worker.RolloutWorker;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.engine.libtorch.LibtorchEngine;
import io.gradus.worker.link.WorkLoop;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A rollout worker that reaches its coordinators over TCP.
final class WorkerRole implements Role {

  private static final Logger log = LoggerFactory.getLogger(WorkerRole.class);

  private final WorkerSettings settings;
  private final CoordinatorChannel channel;
  private final RolloutWorker worker;
  private final HealthServer health;
  private final CompletableFuture<Void> ending = new CompletableFuture<>();

  private WorkerRole(
      WorkerSettings settings,
      CoordinatorChannel channel,
      RolloutWorker worker,
      HealthServer health) {
    this.settings = settings;
    this.channel = channel;
    this.worker = worker;
    this.health = health;
    var _ =
        worker
            .ending()
            .whenComplete((how, failure) -> {
              if (failure != null) {
                ending.completeExceptionally(
                    new RoleException(
                        "the engine of worker %s died: %s; the log above says more"
                            .formatted(settings.getWorkerId(), CoordinatorRole.deepest(failure)),
                        failure));
              } else if (how instanceof WorkLoop.Ending.Failed(Status status)) {
                ending.completeExceptionally(new RoleException(gaveUp(status)));
              }
            });
  }

  private String gaveUp(Status status) {
    if (status.getCode() == Status.Code.FAILED_PRECONDITION) {
      return "worker %s ends: %s".formatted(settings.getWorkerId(), Statuses.told(status));
    }
    return "worker %s gives up on %s: %s; it ends, to be started anew by its supervisor"
        .formatted(settings.getWorkerId(), channel.coordinators(), Statuses.told(status));
  }

  static WorkerRole start(WorkerSettings settings, WorkerConfig config, List<HostPort> coordinators)
      throws RoleException {
    loadLibtorch();
    CoordinatorChannel channel = channelTo(coordinators, settings.getWorkerId());
    var worker =
        new RolloutWorker(
            channel,
            config,
            LibtorchEngine.NAME,
            () -> {
              NativeMemory.prepareThread(settings.getThreads());
              return new LibtorchEngine();
            },
            System::nanoTime);
    HealthServer health;
    try {
      health = healthAt(settings.getHealth(), worker::isConnected);
    } catch (RoleException e) {
      worker.close();
      channel.close();
      throw e;
    }
    log.atInfo()
        .addKeyValue("worker", settings.getWorkerId())
        .addKeyValue("coordinators", coordinators)
        .addKeyValue("slots", settings.getSlots())
        .addKeyValue("pool", settings.getPool())
        .addKeyValue("labels", settings.getLabelsList())
        .addKeyValue("health_port", health.port())
        .log("worker started");
    return new WorkerRole(settings, channel, worker, health);
  }

  static void loadLibtorch() throws RoleException {
    try {
      NativeMemory.load();
    } catch (LinkageError | IllegalStateException e) {
      throw new RoleException(
          "libtorch cannot be loaded: %s; gradus doctor says what it needs"
              .formatted(CoordinatorRole.deepest(e)),
          e);
    }
  }

  /// A channel whose first coordinator depends on who calls.
  static CoordinatorChannel channelTo(List<HostPort> coordinators, String caller)
      throws RoleException {
    try {
      return CoordinatorChannel.openWitnessed(coordinators, caller.hashCode());
    } catch (IOException e) {
      throw new RoleException(String.valueOf(e.getMessage()), e);
    }
  }

  static HealthServer healthAt(Listen listen, BooleanSupplier isReady) throws RoleException {
    var address = new HostPort(listen.getHost(), listen.getPort());
    try {
      return HealthServer.start(address.resolved(), isReady);
    } catch (IOException e) {
      throw new RoleException(
          "%s cannot be listened on: %s; end what holds it, or choose another health.port"
              .formatted(address, CoordinatorRole.deepest(e)),
          e);
    }
  }

  @Override
  public CompletionStage<Void> ending() {
    return ending.minimalCompletionStage();
  }

  @Override
  public Duration closesWithin() {
    return RoleSettings.toJava(settings.getDrainTimeout());
  }

  @Override
  public void close() {
    health.drain();
    worker.close();
    channel.close();
    health.close();
    log.atInfo().addKeyValue("worker", settings.getWorkerId()).log("worker closed");
  }
}
