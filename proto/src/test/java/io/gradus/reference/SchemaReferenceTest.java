package io.gradus.reference;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// The pages about what people write in YAML say what the protos say.
@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "buf runs there only")
class SchemaReferenceTest {

  private static final Path IMAGE = Path.of("target", "commented-image.binpb");
  private static final Path PAGES = Path.of("..", "docs", "reference");

  @Test
  void runSpecIsWhatTheProtoSays() throws IOException {
    isGenerated(
        "run-spec.md",
        SchemaReference.of(
            IMAGE,
            "gradus/run/v1/run_spec.proto",
            List.of("RunSpec"),
            """
            # The run spec

            A run spec is a YAML file in the JSON form of `gradus.run.v1.RunSpec`. It is strict: an unknown or
            ill-typed field is refused with its path, its line and what was expected. Enum values are written
            in lower case without their prefix. `./gradus run SPEC --explain` prints the effective spec.

            This page is generated from `run_spec.proto`; `./mvnw test -pl proto -Dregenerate=true` writes it anew.
            """));
  }

  @Test
  void configurationIsWhatTheProtoSays() throws IOException {
    isGenerated(
        "configuration.md",
        SchemaReference.of(
            IMAGE,
            "gradus/config/v1/settings.proto",
            List.of("CoordinatorSettings", "WorkerSettings", "LearnerSettings"),
            """
            # Configuration of processes

            `gradus coordinator`, `gradus worker` and `gradus learner` each read a YAML file (`--config FILE`) in the JSON form
            of their message below. It is as strict as a run spec: an unknown or ill-typed field is refused with its path, its
            line and what was expected. `--explain` prints the effective settings and where each comes from; secrets are masked.

            An environment variable lays a value over the file, and `--set path=value` over both. Its name is
            `GRADUS_<ROLE>_<PATH>` in capitals, with `_` for dots: `GRADUS_COORDINATOR_LEDGER_PASSWORD`, `GRADUS_WORKER_WORKER_ID`,
            `GRADUS_LEARNER_HEALTH_PORT`. A list is written with commas: `GRADUS_WORKER_COORDINATORS=a:7070,b:7070`. A
            variable of that form that names no field is an error, except for those that Kubernetes makes for services
            (`GRADUS_COORDINATOR_SERVICE_HOST`, `GRADUS_COORDINATOR_PORT_7070_TCP`, …). Everything may come from the
            environment; then `--config` is left out.

            An address that is not a loopback one is served only where `auth: none` says so.

            This page is generated from `settings.proto`; `./mvnw test -pl proto -Dregenerate=true` writes it anew.
            """));
  }

  private static void isGenerated(String page, String generated) throws IOException {
    Path file = PAGES.resolve(page);
    if (Boolean.getBoolean("regenerate")) {
      Files.createDirectories(PAGES);
      Files.writeString(file, generated);
    }

    assertThat(Files.readString(file))
        .as("docs/reference/%s; ./mvnw test -pl proto -Dregenerate=true writes it anew", page)
        .isEqualTo(generated);
  }
}
