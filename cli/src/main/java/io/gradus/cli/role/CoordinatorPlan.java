package io.gradus.cli.role;

import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.config.v1.Auth;
import io.gradus.config.v1.Cluster;
import io.gradus.config.v1.CoordinatorSettings;
import io.gradus.config.v1.Ledger;
import io.gradus.config.v1.Listen;
import io.gradus.coordinator.CoordinatorConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The settings of a coordinator, checked. What is not set keeps the default of the coordinator's
/// own reference.conf.
public final class CoordinatorPlan implements RolePlan {

  private final ReadSpec<CoordinatorSettings> read;
  private final CoordinatorConfig config;

  private CoordinatorPlan(ReadSpec<CoordinatorSettings> read, CoordinatorConfig config) {
    this.read = read;
    this.config = config;
  }

  /// Checks `read` as a whole.
  public static CoordinatorPlan of(ReadSpec<CoordinatorSettings> read) throws SpecRefusedException {
    CoordinatorSettings settings = read.spec();
    List<Problem> problems = new ArrayList<>();
    if (!settings.getListen().getHost().isEmpty()) {
      RoleSettings.exposed("listen.host", settings.getListen().getHost(), settings.getAuth())
          .ifPresent(problems::add);
    }
    if (!settings.getCluster().getHost().isEmpty()) {
      RoleSettings.exposed("cluster.host", settings.getCluster().getHost(), settings.getAuth())
          .ifPresent(problems::add);
    }
    if (settings.hasCluster() && settings.getLedger().getJdbcUrl().startsWith("jdbc:sqlite:")) {
      problems.add(
          new Problem(
              "ledger.jdbc_url",
              "is a file, which one coordinator alone can use; a cluster needs PostgreSQL"));
    }
    SpecReader.refuse(read, problems);
    try {
      return new CoordinatorPlan(read, CoordinatorConfig.from(keys(settings)));
    } catch (IllegalArgumentException e) {
      SpecReader.refuse(read, List.of(new Problem("", String.valueOf(e.getMessage()))));
      throw new IllegalStateException("a refusal with a problem throws", e);
    }
  }

  /// The settings by the keys of reference.conf.
  static Map<String, Object> keys(CoordinatorSettings settings) {
    var keys = new LinkedHashMap<String, Object>();
    keys.put("listen", true);
    Listen listen = settings.getListen();
    put(keys, "host", listen.getHost());
    if (listen.hasPort()) {
      keys.put("port", listen.getPort());
    }
    Ledger ledger = settings.getLedger();
    put(keys, "ledger.jdbc-url", ledger.getJdbcUrl());
    put(keys, "ledger.user", ledger.getUser());
    put(keys, "ledger.password", ledger.getPassword());
    if (ledger.hasPayloadRetentionGroups()) {
      keys.put("ledger.payload-retention-groups", ledger.getPayloadRetentionGroups());
    }
    put(keys, "checkpoint-store", settings.getCheckpointStore());
    if (settings.hasShutdownTimeout()) {
      keys.put(
          "shutdown-timeout", RoleSettings.toJava(settings.getShutdownTimeout()).toMillis() + "ms");
    }
    if (settings.getAuth() == Auth.AUTH_NONE) {
      keys.put("auth", "none");
    }
    if (settings.hasCluster()) {
      cluster(settings.getCluster(), keys);
    }
    return keys;
  }

  private static void cluster(Cluster cluster, Map<String, Object> keys) {
    put(keys, "cluster.host", cluster.getHost());
    if (cluster.hasPort()) {
      keys.put("cluster.port", cluster.getPort());
    }
    if (cluster.hasManagementPort()) {
      keys.put("cluster.management-port", cluster.getManagementPort());
    }
    if (cluster.getContactPointsCount() > 0) {
      keys.put("cluster.contact-points", List.copyOf(cluster.getContactPointsList()));
    }
    put(keys, "cluster.service-name", cluster.getServiceName());
    if (cluster.hasRequiredContactPoints()) {
      keys.put("cluster.required-contact-points", cluster.getRequiredContactPoints());
    }
  }

  private static void put(Map<String, Object> keys, String key, String value) {
    if (!value.isEmpty()) {
      keys.put(key, value);
    }
  }

  @Override
  public String explained() {
    return "# What is not written here has the default that docs/reference/configuration.md names.\n"
        + RoleSettings.explained(read, read.spec());
  }

  @Override
  public Role start() throws RoleException {
    return CoordinatorRole.start(config);
  }
}
