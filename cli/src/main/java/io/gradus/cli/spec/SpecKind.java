package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Message;
import io.gradus.config.v1.CoordinatorSettings;
import io.gradus.config.v1.LearnerSettings;
import io.gradus.config.v1.WorkerSettings;
import io.gradus.run.v1.RunSpec;
import java.util.Optional;

/// What a file is to hold: a schema, and the words in which its author is told of mistakes.
///
/// @param empty the message without fields
/// @param document what the file is called, after an article: `spec`
/// @param subject what needs the fields that are required: `spec`
/// @param title what the fields belong to: `a run spec`
/// @param field a field that many have
/// @param setting an example of a value laid over the file
/// @param ifDirectory what to do about a directory that was named instead
/// @param ifEmpty why a file without fields is refused; empty: it is not
public record SpecKind<M extends Message>(
    M empty,
    String document,
    String subject,
    String title,
    String field,
    String setting,
    String ifDirectory,
    Optional<String> ifEmpty) {

  /// What a run is.
  public static final SpecKind<RunSpec> RUN =
      new SpecKind<>(
          RunSpec.getDefaultInstance(),
          "spec",
          "spec",
          "a run spec",
          "model",
          "rollout.temperature=0.8",
          "name the spec file in it, or --resume it if it is a run directory",
          Optional.of(
              "is empty; a spec needs at least model, tasks, objective and stop"
                  + " (examples/addition.yaml is one)"));

  /// How a coordinator process is set up.
  public static final SpecKind<CoordinatorSettings> COORDINATOR =
      settings(CoordinatorSettings.getDefaultInstance(), "coordinator", "listen.port=7070");

  /// How a rollout worker process is set up.
  public static final SpecKind<WorkerSettings> WORKER =
      settings(WorkerSettings.getDefaultInstance(), "worker", "slots=128");

  /// How a learner process is set up.
  public static final SpecKind<LearnerSettings> LEARNER =
      settings(LearnerSettings.getDefaultInstance(), "learner", "run_id=addition-1");

  private static <M extends Message> SpecKind<M> settings(M empty, String role, String setting) {
    return new SpecKind<>(
        empty,
        "settings file",
        role,
        "%s settings".formatted(role),
        empty.getDescriptorForType().getFields().getFirst().getName(),
        setting,
        "name the settings file in it",
        Optional.empty());
  }

  Descriptor descriptor() {
    return empty.getDescriptorForType();
  }
}
