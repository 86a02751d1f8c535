package io.gradus.coordinator.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/// How a node finds the others.
///
/// @param host address under which the other nodes reach this one
/// @param port of the actor system there; 0 is any free one, for a node on its own
/// @param managementPort of the HTTP endpoint through which nodes find each other
/// @param contactPoints management endpoints of the nodes that may form the cluster
/// @param serviceName DNS name behind which those endpoints are, instead of a list
/// @param requiredContactPoints endpoints that must answer before a new cluster is formed; 0 is the
///   majority of the list
/// @param ledgerAbsence how long a node stays that cannot reach the ledger while others can
public record ClusterConfig(
    String host,
    int port,
    int managementPort,
    List<Endpoint> contactPoints,
    String serviceName,
    int requiredContactPoints,
    Duration ledgerAbsence) {

  private static final String KEY = "gradus.coordinator.cluster";

  public ClusterConfig {
    contactPoints = List.copyOf(contactPoints);
    if (!contactPoints.isEmpty() && !serviceName.isEmpty()) {
      throw new IllegalArgumentException(
          KEY + ": contact-points and service-name are both set; choose one way to find the nodes");
    }
    if (requiredContactPoints < 0
        || (!contactPoints.isEmpty() && requiredContactPoints > contactPoints.size())) {
      throw new IllegalArgumentException(
          "%s.required-contact-points is %d but there are %d contact points"
              .formatted(KEY, requiredContactPoints, contactPoints.size()));
    }
    if (!serviceName.isEmpty() && requiredContactPoints == 0) {
      throw new IllegalArgumentException(
          ("%s.required-contact-points is not set; with service-name it says how many nodes must be"
                  + " there before a cluster is formed: give the number of replicas")
              .formatted(KEY));
    }
    boolean hasPeers = !contactPoints.isEmpty() || !serviceName.isEmpty();
    if (hasPeers && (port == 0 || managementPort == 0)) {
      throw new IllegalArgumentException(
          "%s: port is %d and management-port is %d but both must be set where there are other nodes"
              .formatted(KEY, port, managementPort));
    }
  }

  /// Where a node is reached.
  public record Endpoint(String host, int port) {

    /// Reads `host:port`.
    static Endpoint parse(String text) {
      int colon = text.lastIndexOf(':');
      try {
        int port = Integer.parseInt(text.substring(colon + 1));
        if (colon > 0 && port > 0 && port < 65_536) {
          return new Endpoint(text.substring(0, colon), port);
        }
      } catch (NumberFormatException _) {
        // Said below.
      }
      throw new IllegalArgumentException(
          "%s.contact-points: \"%s\" is not HOST:PORT".formatted(KEY, text));
    }
  }

  /// Reads the block `gradus.coordinator.cluster`.
  public static ClusterConfig from(Config config) {
    return new ClusterConfig(
        config.getString("host"),
        config.getInt("port"),
        config.getInt("management-port"),
        config.getStringList("contact-points").stream().map(Endpoint::parse).toList(),
        config.getString("service-name"),
        config.getInt("required-contact-points"),
        config.getDuration("ledger-absence"));
  }

  /// Whether there may be other nodes; otherwise the node is a cluster of its own.
  public boolean hasPeers() {
    return !contactPoints.isEmpty() || !serviceName.isEmpty();
  }

  /// What Akka has to know, to be laid over its other settings.
  public Config akka() {
    Map<String, Object> canonical =
        Map.of(
            "akka.remote.artery.canonical.hostname", host,
            "akka.remote.artery.canonical.port", port);
    if (!hasPeers()) {
      return ConfigFactory.parseMap(canonical);
    }
    int required = requiredContactPoints > 0 ? requiredContactPoints : contactPoints.size() / 2 + 1;
    boolean isListed = !contactPoints.isEmpty();
    String discovery = "akka.management.cluster.bootstrap.contact-point-discovery";
    return ConfigFactory.parseMap(
            Map.of(
                "akka.management.http.hostname",
                host,
                "akka.management.http.port",
                managementPort,
                discovery + ".service-name",
                isListed ? "gradus" : serviceName,
                discovery + ".discovery-method",
                isListed ? "config" : "akka-dns",
                discovery + ".required-contact-point-nr",
                required))
        .withFallback(ConfigFactory.parseMap(canonical))
        .withValue(
            "akka.discovery.config.services.gradus.endpoints",
            ConfigValueFactory.fromIterable(
                contactPoints.stream()
                    .map(point -> Map.of("host", point.host(), "port", point.port()))
                    .toList()))
        .withValue(
            "akka.cluster.downing-provider-class",
            ConfigValueFactory.fromAnyRef("akka.cluster.sbr.SplitBrainResolverProvider"));
  }
}
