package io.gradus.systemtests;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Run specs of these tests, as files.
final class Specs {

  private Specs() {}

  /// Writes the spec `name` into a directory.
  static Path write(String name, Path directory) {
    Path file = directory.resolve(name + ".yaml");
    try (InputStream spec = Specs.class.getResourceAsStream("/specs/" + name + ".yaml")) {
      if (spec == null) {
        throw new IllegalArgumentException("there is no spec " + name);
      }
      Files.write(file, spec.readAllBytes());
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
