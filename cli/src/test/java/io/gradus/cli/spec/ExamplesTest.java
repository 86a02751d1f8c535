package io.gradus.cli.spec;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.run.v1.RunSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ExamplesTest {

  static Stream<Path> examples() {
    try (Stream<Path> files = Files.list(Path.of("..", "examples"))) {
      return Stream.concat(
          files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList().stream(),
          Stream.of(Path.of("src/main/launch/training.yaml")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @MethodSource("examples")
  void isReadAndNamedAsItsFile(Path file) throws Exception {
    RunSpec spec = SpecReader.read(file, List.of()).spec();

    assertThat(file.getFileName()).hasToString(spec.getName() + ".yaml");
  }
}
