package io.gradus.cli.rundir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {

  @TempDir Path directory;

  @Test
  void makesADirectoryWithItsParentsAndNamesItsHolder() throws Exception {
    try (var run = RunDirectory.create(directory.resolve("a/b"))) {
      assertThat(run.path()).isDirectory();
      assertThat(run.path().resolve("lock"))
          .hasContent(String.valueOf(ProcessHandle.current().pid()));
    }
  }

  @Test
  void refusesASecondHolderUntilTheFirstLetsGo() throws Exception {
    try (var _ = RunDirectory.create(directory.resolve("run"))) {
      assertThatThrownBy(() -> RunDirectory.create(directory.resolve("run")))
          .isInstanceOf(RunDirectoryException.class)
          .hasMessageContaining("another gradus (pid " + ProcessHandle.current().pid() + ") works");
    }
    RunDirectory.create(directory.resolve("run")).close();
  }

  @Test
  void refusesADirectoryWithSomethingElseInIt() throws Exception {
    Files.writeString(directory.resolve("thesis.tex"), "");

    assertThatThrownBy(() -> RunDirectory.create(directory))
        .hasMessageContaining("is not empty (thesis.tex)");
  }

  @Test
  void pointsToResumeWhenThereIsARun() throws Exception {
    Files.writeString(directory.resolve("ledger.db"), "");

    assertThatThrownBy(() -> RunDirectory.create(directory))
        .hasMessageContaining("go on with it by gradus run --resume " + directory);
  }

  @Test
  void refusesToResumeWhatIsNoRun() {
    assertThatThrownBy(() -> RunDirectory.reopen(directory))
        .hasMessageContaining("holds no ledger.db");
    assertThatThrownBy(() -> RunDirectory.reopen(directory.resolve("none")))
        .hasMessageContaining("is not a directory");
  }

  @Test
  void refusesAFileInItsPlace() throws Exception {
    Files.writeString(directory.resolve("file"), "");

    assertThatThrownBy(() -> RunDirectory.create(directory.resolve("file")))
        .hasMessageContaining("is a file, not a directory");
    assertThatThrownBy(() -> RunDirectory.create(directory.resolve("file/run")))
        .isInstanceOf(RunDirectoryException.class);
  }

  @Test
  void tellsWhyADirectoryCannotBeWritten() {
    // Nobody, not even root, makes directories there.
    assertThatThrownBy(() -> RunDirectory.create(Path.of("/proc/gradus-run")))
        .hasMessageMatching(
            "the run directory /proc/gradus-run cannot be written \\(.+\\); choose another"
                + " with --run-dir");
  }
}
