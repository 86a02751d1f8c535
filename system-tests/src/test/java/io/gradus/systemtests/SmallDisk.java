package io.gradus.systemtests;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A file system of a few bytes, seen by one process alone.
final class SmallDisk {

  private SmallDisk() {}

  /// Words that run what follows them with a small file system in a place.
  static List<String> behindMount(Path place, String size) {
    return List.of(
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs -o size=" + size + " tmpfs \"$0\" && exec \"$@\"",
        place.toString());
  }

  /// Whether this host lets a process have one.
  static boolean canMount(Path place) throws InterruptedException {
    List<String> words = new ArrayList<>(behindMount(place, "64k"));
    words.add("true");
    try {
      Process process = new ProcessBuilder(words).start();
      return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException noSuchCommand) {
      return false;
    }
  }
}
