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
import org.junit.jupiter.params.provider.EnumSource;

/// Bugs in the shells, each of which a trial with the faults that it is about has to catch: else
/// the trials prove nothing.
@Tag("chaos")
class PlantedShellBugsTest {

  private static final Path SOURCES = Path.of("..", "coordinator", "src", "main", "java");
  private static final String LEDGER = "io/gradus/coordinator/ledger/";

  enum Bug {
    COMMITS_WITHOUT_A_FENCE(
        LEDGER + "CommitLoop.java",
        "update run set commit_seq = ? where run_key = ? and epoch = ? and commit_seq = ?",
        "update run set commit_seq = ? where run_key = ? and ? >= 0 and ? >= 0",
        Fault.PART_HOST,
        4),
    ACKNOWLEDGES_BEFORE_THE_COMMIT(
        LEDGER + "CommitLoop.java",
        "    switch (transact(incarnation, rows)) {\n",
        """
            List<Append> early = List.copyOf(appends);
            appends = List.of();
            early.forEach(append -> append.listener().committed(incarnation.commitSeq() + 1));
            switch (transact(incarnation, rows)) {
        """,
        Fault.KILL_HOST_IN_COMMIT,
        3);

    private final String source;
    private final String snippet;
    private final String replacement;
    private final Fault fault;
    private final int most;

    /// @param most faults after which a bug counts as not caught
    Bug(String source, String snippet, String replacement, Fault fault, int most) {
      this.source = source;
      this.snippet = snippet;
      this.replacement = replacement;
      this.fault = fault;
      this.most = most;
    }
  }

  @TempDir private Path directory;

  @ParameterizedTest
  @EnumSource
  void isCaught(Bug bug) throws Exception {
    Path classes = compile(bug);
    Path site = Files.createDirectory(directory.resolve("site"));

    var trial = new Trial(site, 1, List.of(bug.fault), Optional.of(classes));
    Throwable caught = catchThrowable(() -> trial.endures(faults -> faults < bug.most));

    assertThat(trial.hasBegun()).as("whether %s lets a run begin: %s", bug, caught).isTrue();
    assertThat(caught).as("what the trial says of %s", bug).isInstanceOf(Throwable.class);
    System.out.printf("%s: caught by \"%s\"%n", bug, first(String.valueOf(caught.getMessage())));
  }

  private static String first(String message) {
    return message.lines().filter(line -> !line.isBlank()).findFirst().orElse("");
  }

  /// The classes of the source with the bug in it.
  private Path compile(Bug bug) throws Exception {
    String source = Files.readString(SOURCES.resolve(bug.source));
    assertThat(source.split(Pattern.quote(bug.snippet), -1))
        .as("the snippet of %s is there once", bug)
        .hasSize(2);
    Path mutant = directory.resolve("source").resolve(bug.source);
    Files.createDirectories(mutant.resolveSibling("."));
    Files.writeString(mutant, source.replace(bug.snippet, bug.replacement));
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
