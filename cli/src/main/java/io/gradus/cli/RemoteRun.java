package io.gradus.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.LocalRun.Output;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.progress.ProgressDisplay;
import io.gradus.cli.report.MetricsLog;
import io.gradus.cli.report.ProtoJson;
import io.gradus.cli.session.RemoteSystem;
import io.gradus.cli.session.RunSession;
import io.gradus.cli.session.RunSession.Ending;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.GetRunResponse;
import java.io.IOException;

/// A run on other processes, looked at from here: followed as `gradus run` follows its own, and
/// left alone when the looking ends.
final class RemoteRun {

  private final Console console;
  private final Interrupts interrupts;
  private final CoordinatorChannel channel;

  RemoteRun(Console console, Interrupts interrupts, CoordinatorChannel channel) {
    this.console = console;
    this.interrupts = interrupts;
    this.channel = channel;
  }

  /// Follows the run to its end; gives the exit status.
  int watch(String runId, Output output) throws InterruptedException {
    var interruption = new Interruption(interrupts.endAtOnce());
    interrupts.listen().accept(interruption::signal);
    GetRunResponse run =
        new RunCalls(channel, console)
            .ask(runs -> runs.getRun(GetRunRequest.newBuilder().setRunId(runId).build()));
    boolean wasOver = RunSession.isOver(run.getProgress().getState());
    Ending ending =
        wasOver
            ? new Ending.RunEnded(run.getProgress())
            : followed(run, runId, output, interruption);
    return tell(ending, wasOver, output);
  }

  private Ending followed(
      GetRunResponse run, String runId, Output output, Interruption interruption)
      throws InterruptedException {
    ProgressDisplay display = LocalRun.display(console, output);
    try (var system = new RemoteSystem(channel);
        var metrics = MetricsLog.unwritten()) {
      var session =
          new RunSession(
              runId,
              run.getSpec(),
              RunSession.Start.RESUMED,
              RunSession.Patience.WITH_OTHERS,
              console.clock(),
              display,
              metrics,
              output == Output.JSON ? console.out()::println : _ -> {});
      interruption.concerns(session);
      Ending ending = session.follow(system);
      display.finish();
      return ending;
    } catch (IOException e) {
      throw new IllegalStateException("nothing is written where a run is only watched", e);
    }
  }

  private int tell(Ending ending, boolean wasOver, Output output) {
    var words =
        new LastWords(new LastWords.Place.Coordinators(RunCalls.text(channel)), ending, wasOver);
    if (output == Output.JSON) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      line.set("run", ProtoJson.of(ending.progress()));
      line.put("ended", ending instanceof Ending.RunEnded);
      console.out().println(line);
    } else {
      words.lines().forEach(console.out()::println);
    }
    words.complaint().ifPresent(line -> console.err().println("gradus: " + line));
    return words.status();
  }
}
