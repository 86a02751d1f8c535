package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Bugs in the shells, each of which a trial with the faults that it is about has to catch: else
/// the trials prove nothing.
@Tag("planted")
class PlantedShellBugsTest {

  private static final Path SOURCES = Path.of("..", "coordinator", "src", "main", "java");
  private static final String LEDGER = "io/gradus/coordinator/ledger/";

  /// A place in a source, and what is to be there instead.
  record Edit(String snippet, String replacement) {}

  /// @param name what it does
  /// @param source where it is
  /// @param fault what has to bring it to light
  /// @param most faults after which it counts as not caught
  record Bug(String name, String source, Fault fault, int most, List<Edit> edits) {

    @Override
    public String toString() {
      return name;
    }
  }

  static List<Bug> bugs() {
    return List.of(
        new Bug(
            "commits without a fence",
            LEDGER + "CommitLoop.java",
            Fault.PART_HOST,
            4,
            List.of(
                new Edit(
                    "update run set commit_seq = ? where run_key = ? and epoch = ? and commit_seq = ?",
                    "update run set commit_seq = ? where run_key = ? and ? >= 0 and ? >= 0"))),
        new Bug(
            "acknowledges before the commit",
            LEDGER + "CommitLoop.java",
            Fault.KILL_HOST_IN_COMMIT,
            3,
            List.of(
                new Edit(
                    "    switch (transact(incarnation, rows)) {\n",
                    """
                    List<Append> early = List.copyOf(appends);
                    appends = List.of();
                    early.forEach(append -> append.listener().committed(incarnation.commitSeq() + 1));
                    switch (transact(incarnation, rows)) {
                    """))),
        new Bug(
            "does not sync",
            LEDGER + "Database.java",
            Fault.KILL_DATABASE,
            4,
            List.of(
                new Edit("-c synchronous_commit=on", "-c synchronous_commit=off"),
                new Edit("Set.of(\"on\", \"remote_apply\")", "Set.of(\"on\", \"off\")"))),
        new Bug(
            "takes a lost commit for done",
            LEDGER + "CommitLoop.java",
            Fault.KILL_DATABASE,
            6,
            List.of(
                new Edit(
                    "== incarnation.commitSeq()) {\n          return Optional.empty();",
                    "== incarnation.commitSeq()) {\n          return Optional.of(new Outcome.Committed());"))));
  }

  @TempDir private Path directory;

  @ParameterizedTest
  @MethodSource("bugs")
  void isCaught(Bug bug) throws Exception {
    Path classes = compile(bug);
    Path site = Files.createDirectory(directory.resolve("site"));

    var trial = new Trial(site, 1, List.of(bug.fault()), Optional.of(classes));
    Throwable caught = catchThrowable(() -> trial.endures(faults -> faults < bug.most()));

    assertThat(trial.hasBegun()).as("whether %s lets a run begin: %s", bug, caught).isTrue();
    assertThat(caught).as("what the trial says of %s", bug).isInstanceOf(Throwable.class);
    System.out.printf("%s: caught by \"%s\"%n", bug, first(String.valueOf(caught.getMessage())));
  }

  private static String first(String message) {
    return message.lines().filter(line -> !line.isBlank()).findFirst().orElse("");
  }

  /// The classes of the source with the bug in it.
  private Path compile(Bug bug) throws Exception {
    String source = Files.readString(SOURCES.resolve(bug.source()));
    for (Edit edit : bug.edits()) {
      assertThat(source.split(Pattern.quote(edit.snippet()), -1))
          .as("a snippet of %s is there once: %s", bug, edit.snippet())
          .hasSize(2);
      source = source.replace(edit.snippet(), edit.replacement());
    }
    Path mutant = directory.resolve("source").resolve(bug.source());
    Files.createDirectories(mutant.resolveSibling("."));
    Files.writeString(mutant, source);
    Path classes = Files.createDirectory(directory.resolve("classes"));
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    var messages = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      boolean isCompiled =
          compiler
              .getTask(
                  messages,
                  files,
                  null,
                  List.of(
                      "-d",
                      classes.toString(),
                      "-cp",
                      System.getProperty("java.class.path"),
                      "-proc:none",
                      "-nowarn",
                      "-Xlint:none"),
                  null,
                  files.getJavaFileObjects(mutant))
              .call();
      assertThat(isCompiled).as("%s: %s", bug, messages).isTrue();
    }
    return classes;
  }
}
