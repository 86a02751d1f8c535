package io.gradus.cli;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;

/// The name of this host, which a pod keeps over restarts of its containers.
final class HostName {

  private static final Path OF_KERNEL = Path.of("/proc/sys/kernel/hostname");

  private HostName() {}

  static String ofThisHost() {
    try {
      return Files.readString(OF_KERNEL).strip();
    } catch (IOException _) {
      // Not Linux.
    }
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (IOException _) {
      return "localhost";
    }
  }
}
