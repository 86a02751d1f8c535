package io.gradus.cli.role;

import io.gradus.cli.link.HostPort;
import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.config.v1.LearnerSettings;
import java.util.ArrayList;
import java.util.List;

/// The settings of a learner, with every default, checked.
public final class LearnerPlan implements RolePlan {

  static final int MOST_REPLICAS = 8;
  static final long DRAIN_SECONDS = 30;

  private final ReadSpec<LearnerSettings> read;
  private final LearnerSettings effective;
  private final List<HostPort> coordinators;

  private LearnerPlan(
      ReadSpec<LearnerSettings> read, LearnerSettings effective, List<HostPort> coordinators) {
    this.read = read;
    this.effective = effective;
    this.coordinators = coordinators;
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
    SpecReader.refuse(read, problems);
    return new LearnerPlan(read, effective, coordinators);
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
    return filled.build();
  }

  @Override
  public String explained() {
    return RoleSettings.explained(read, effective);
  }

  @Override
  public Role start() throws RoleException {
    return LearnerRole.start(effective, coordinators);
  }
}
