package io.gradus.run.v1;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// `docs/reference/run-spec.md` says what the proto says.
@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "buf runs there only")
class RunSpecReferenceTest {

  private static final Path PAGE = Path.of("..", "docs", "reference", "run-spec.md");

  @Test
  void isWhatTheProtoSays() throws IOException {
    String generated = RunSpecReference.of(Path.of("target", "commented-image.binpb"));
    if (Boolean.getBoolean("regenerate")) {
      Files.createDirectories(PAGE.getParent());
      Files.writeString(PAGE, generated);
    }

    assertThat(Files.readString(PAGE))
        .as("docs/reference/run-spec.md; ./mvnw test -pl proto -Dregenerate=true writes it anew")
        .isEqualTo(generated);
  }
}
