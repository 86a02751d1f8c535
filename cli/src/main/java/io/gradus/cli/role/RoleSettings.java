package io.gradus.cli.role;

import com.google.protobuf.Message;
import io.gradus.cli.link.HostPort;
import io.gradus.cli.spec.EnvironmentSettings;
import io.gradus.cli.spec.Origin;
import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.Setting;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecReader.Problem;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.cli.spec.SpecWriter;
import io.gradus.config.v1.Auth;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// Reads the settings of a role: a file, variables of the environment over it, options over both.
public final class RoleSettings {

  static final String LOOPBACK = "127.0.0.1";

  private RoleSettings() {}

  /// Reads what `kind` says.
  ///
  /// @param options values of `--set`, in their order
  public static <M extends Message> ReadSpec<M> read(
      SpecKind<M> kind, Optional<Path> file, Map<String, String> environment, List<String> options)
      throws SpecRefusedException {
    List<Setting> settings =
        new ArrayList<>(EnvironmentSettings.of(kind, prefix(kind), environment));
    for (String option : options) {
      settings.add(Setting.parse("--set", option, kind));
    }
    return file.isPresent()
        ? SpecReader.read(kind, file.get(), settings)
        : SpecReader.read(kind, new Origin.Option("gradus " + kind.subject()), settings);
  }

  /// What names of variables for `kind` begin with.
  static String prefix(SpecKind<?> kind) {
    return "GRADUS_%s_".formatted(kind.subject().toUpperCase(Locale.ROOT));
  }

  /// `effective` as YAML, with the origin of each value.
  static String explained(ReadSpec<?> read, Message effective) {
    return SpecWriter.write(
        effective, path -> Optional.of(read.wrote(path) ? read.originOf(path).brief() : "default"));
  }

  /// A problem where `host`, on which something is to listen, is reached from elsewhere and nobody
  /// said that this is meant.
  static Optional<Problem> exposed(String path, String host, Auth auth) {
    try {
      if (InetAddress.getByName(host).isLoopbackAddress() || auth == Auth.AUTH_NONE) {
        return Optional.empty();
      }
    } catch (UnknownHostException _) {
      return Optional.of(
          new Problem(path, "is %s, which is no address of this host".formatted(host)));
    }
    return Optional.of(
        new Problem(
            path,
            ("is %s, which others can reach, and there is no authentication; use 127.0.0.1, or"
                    + " write auth: none if nobody else is in that network")
                .formatted(host)));
  }

  /// What is wrong with `block`, by a refusal that begins with the path of the field if it knows
  /// it: `chunk_server.port is 99999 but …`.
  static Problem problem(String block, IllegalArgumentException refusal) {
    String message = String.valueOf(refusal.getMessage());
    int end = message.indexOf(' ');
    String path = end < 0 ? message : message.substring(0, end);
    return path.equals(block) || path.startsWith(block + ".")
        ? new Problem(path, message.substring(end + 1))
        : new Problem(block, message);
  }

  /// The addresses of coordinators at `path`; those that are none become problems.
  static List<HostPort> coordinators(List<String> texts, List<Problem> problems) {
    List<HostPort> coordinators = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      Optional<HostPort> coordinator = HostPort.parse(texts.get(i));
      if (coordinator.isPresent()) {
        coordinators.add(coordinator.get());
      } else {
        problems.add(
            new Problem(
                "coordinators[%d]".formatted(i),
                "is %s but must be HOST:PORT with a port from 1 to 65535".formatted(texts.get(i))));
      }
    }
    return coordinators;
  }

  static java.time.Duration toJava(com.google.protobuf.Duration duration) {
    return java.time.Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  static com.google.protobuf.Duration seconds(long seconds) {
    return com.google.protobuf.Duration.newBuilder().setSeconds(seconds).build();
  }
}
