package io.gradus.cli.role;

import io.gradus.cli.link.HostPort;
import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.config.v1.Listen;
import io.gradus.config.v1.WorkerSettings;
import java.util.ArrayList;
import java.util.List;

/// The settings of a rollout worker, with every default, checked.
public final class WorkerPlan implements RolePlan {

  static final int SLOTS = 256;
  static final long DRAIN_SECONDS = 10;
  static final long RECONNECT_SECONDS = 600;

  private final ReadSpec<WorkerSettings> read;
  private final WorkerSettings effective;
  private final List<HostPort> coordinators;

  private WorkerPlan(
      ReadSpec<WorkerSettings> read, WorkerSettings effective, List<HostPort> coordinators) {
    this.read = read;
    this.effective = effective;
    this.coordinators = coordinators;
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
    SpecReader.refuse(read, problems);
    return new WorkerPlan(read, effective, coordinators);
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

  @Override
  public String explained() {
    return RoleSettings.explained(read, effective);
  }

  @Override
  public Role start() throws RoleException {
    return WorkerRole.start(effective, coordinators);
  }
}
