package io.gradus.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointDirectory.Problem;
import io.gradus.policy.checkpoint.CheckpointManifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Reads a checkpoint whole and compares it with its manifest.
@Command(
    name = "verify",
    description = "Reads a checkpoint whole and compares every file with its manifest.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus checkpoint verify runs/addition-…/checkpoints/v00000037-s00000120-e1",
      "",
      "Exit status: 0 sound, 1 damaged, 2 not a checkpoint."
    })
final class CheckpointVerifyCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "DIR", description = "A checkpoint directory.")
  private Path directory = Path.of("");

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  CheckpointVerifyCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (!Files.isDirectory(directory)) {
      throw CommandException.wrongInput(
          "%s is not a directory; name a checkpoint, such as one in checkpoints/ of a run"
              .formatted(directory));
    }
    List<Problem> problems = CheckpointDirectory.verify(directory);
    if (isJson) {
      console.out().println(json(problems));
    } else if (problems.isEmpty()) {
      console.out().printf("%s is sound%s%n", directory, description());
    } else {
      problems.forEach(problem ->
          console
              .err()
              .printf("gradus: %s: %s%n", directory.resolve(problem.file()), problem.message()));
    }
    return problems.isEmpty() ? ExitStatus.DONE : ExitStatus.FAILED;
  }

  private ObjectNode json(List<Problem> problems) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("checkpoint", directory.toString()).put("sound", problems.isEmpty());
    ArrayNode list = json.putArray("problems");
    problems.forEach(
        problem -> list.addObject().put("file", problem.file()).put("message", problem.message()));
    return json;
  }

  private String description() {
    try {
      CheckpointManifest manifest = CheckpointManifest.read(directory);
      return ": version %d, step %d, batch %d%s"
          .formatted(
              manifest.version(),
              manifest.step(),
              manifest.batch(),
              manifest.durable() ? ", durable" : "");
    } catch (IOException e) {
      throw new IllegalStateException("a sound checkpoint has a manifest: " + directory, e);
    }
  }
}
