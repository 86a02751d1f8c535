package io.gradus.cli;

import static org.assertj.core.api.Assertions.assertThat;

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
  void canBeRunAndIsNamedAsItsFile(Path file) throws Exception {
    EffectiveSpec effective = EffectiveSpec.read(file, List.of());

    assertThat(file.getFileName()).hasToString(effective.spec().getName() + ".yaml");
    assertThat(effective.explained()).contains("# A batch: ", "# default", "# line ");
  }
}
