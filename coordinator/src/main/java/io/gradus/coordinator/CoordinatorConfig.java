package io.gradus.coordinator;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigUtil;
import io.gradus.coordinator.cluster.ClusterConfig;
import io.gradus.coordinator.edge.EdgeConfig;
import io.gradus.coordinator.ledger.LedgerConfig;
import io.gradus.coordinator.run.RunConfig;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// How a coordinator is set up; what each setting means is said in reference.conf.
///
/// @param checkpointStore a file URI, in which `{run}` stands for the run's id
/// @param inProcessName name under which the services are reached inside this JVM
/// @param address address on which they listen
/// @param cluster how the node finds others
/// @param akka configuration of the actor system
public record CoordinatorConfig(
    LedgerConfig ledger,
    String checkpointStore,
    Optional<String> inProcessName,
    Optional<InetSocketAddress> address,
    RunConfig run,
    EdgeConfig edge,
    Duration shutdownTimeout,
    ClusterConfig cluster,
    Config akka) {

  private static final String ROOT = "gradus.coordinator";

  public CoordinatorConfig {
    if (inProcessName.isEmpty() && address.isEmpty()) {
      throw new IllegalArgumentException(
          ROOT + ": neither in-process-name nor listen is set; nobody could reach the services");
    }
    if (cluster.hasPeers() && ledger.isSqlite()) {
      throw new IllegalArgumentException(
          ("%s: cluster names other nodes but ledger.jdbc-url is %s, a file that one process has"
                  + " for itself; give jdbc:postgresql://HOST/DATABASE")
              .formatted(ROOT, ledger.jdbcUrl()));
    }
  }

  /// Without authentication only this machine may reach a node, unless somebody said otherwise.
  private static void requireProtected(Config config) {
    String auth = config.getString("auth");
    if (auth.equals("none")) {
      return;
    }
    if (!auth.isEmpty()) {
      throw new IllegalArgumentException(
          "%s.auth is \"%s\" but must be empty or none".formatted(ROOT, auth));
    }
    var hosts = new ArrayList<String>(List.of("cluster.host"));
    if (config.getBoolean("listen")) {
      hosts.add("host");
    }
    for (String key : hosts) {
      String host = config.getString(key);
      if (!address(host, 0).getAddress().isLoopbackAddress()) {
        throw new IllegalArgumentException(
            ("%s.%s is %s, which is not a loopback address, and no authentication is configured:"
                    + " anybody who reaches the port could submit runs; use 127.0.0.1, or set auth"
                    + " to none where the network keeps others out")
                .formatted(ROOT, key, host));
      }
    }
  }

  /// An embedded coordinator: a ledger in one file, services inside this JVM.
  ///
  /// @param checkpointStore directory of the checkpoints of its run
  public static CoordinatorConfig embedded(
      Path ledger, Path checkpointStore, String inProcessName) {
    return from(
        ConfigFactory.parseString(
                """
                ledger.jdbc-url = %s
                checkpoint-store = %s
                in-process-name = %s
                """
                    .formatted(
                        quoted("jdbc:sqlite:" + ledger.toAbsolutePath()),
                        quoted(checkpointStore.toAbsolutePath().toUri().toString()),
                        quoted(inProcessName)))
            .atPath(ROOT));
  }

  /// Reads `settings`, by keys below `gradus.coordinator` such as `ledger.jdbc-url`, over the
  /// defaults.
  ///
  /// @throws IllegalArgumentException naming the key that is wrong
  public static CoordinatorConfig from(Map<String, ?> settings) {
    return from(ConfigFactory.parseMap(settings).atPath(ROOT));
  }

  /// Configuration of the actor system by default.
  static Config defaultAkka() {
    return ConfigFactory.defaultReference().getConfig(ROOT + ".akka");
  }

  /// Reads `config` over the defaults.
  ///
  /// @throws IllegalArgumentException naming the key that is wrong
  public static CoordinatorConfig from(Config config) {
    try {
      return read(config.withFallback(ConfigFactory.defaultReference()).resolve().getConfig(ROOT));
    } catch (ConfigException wrong) {
      throw new IllegalArgumentException("configuration: %s".formatted(wrong.getMessage()), wrong);
    }
  }

  private static CoordinatorConfig read(Config config) {
    requireProtected(config);
    ClusterConfig cluster = ClusterConfig.from(config.getConfig("cluster"));
    String inProcessName = config.getString("in-process-name");
    return new CoordinatorConfig(
        new LedgerConfig(
            config.getString("ledger.jdbc-url"),
            config.getString("ledger.user"),
            config.getString("ledger.password"),
            config.getInt("ledger.read-connections"),
            config.getInt("ledger.queue-capacity"),
            config.getDuration("ledger.lock-timeout"),
            config.getDuration("ledger.statement-timeout"),
            config.getDuration("ledger.commit-deadline"),
            config.getBytes("ledger.integrity-check-max-bytes"),
            config.getBytes("ledger.payload-cache-bytes"),
            config.getLong("ledger.payload-retention-groups")),
        config.getString("checkpoint-store"),
        inProcessName.isEmpty() ? Optional.empty() : Optional.of(inProcessName),
        config.getBoolean("listen")
            ? Optional.of(address(config.getString("host"), config.getInt("port")))
            : Optional.empty(),
        new RunConfig(
            config.getDuration("run.tick"),
            config.getInt("run.commits-in-flight"),
            config.getInt("run.stash-capacity"),
            config.getDuration("run.recovery-backoff"),
            config.getDuration("run.recovery-backoff-max"),
            config.getInt("run.recovery-attempts"),
            config.getDuration("run.wake-interval")),
        new EdgeConfig(
            config.getDuration("edge.ask-timeout"),
            config.getDuration("edge.ask-again"),
            Math.toIntExact(config.getBytes("edge.payload-max-bytes")),
            config.getBytes("edge.staging-max-bytes"),
            config.getInt("edge.groups-per-call"),
            config.getDuration("edge.slow-consumer-timeout"),
            config.getDuration("edge.session-check")),
        config.getDuration("shutdown-timeout"),
        cluster,
        cluster.akka().withFallback(config.getConfig("akka")));
  }

  private static InetSocketAddress address(String host, int port) {
    try {
      return new InetSocketAddress(InetAddress.getByName(host), port);
    } catch (UnknownHostException unknown) {
      throw new IllegalArgumentException(
          "%s.host is \"%s\", which is not an address".formatted(ROOT, host), unknown);
    }
  }

  private static String quoted(String text) {
    return ConfigUtil.quoteString(text);
  }
}
