package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the command says to wrong input and in situations in which it cannot work: one message that
/// names the place and the remedy, exit status 2 where the user is wrong and 1 where the machine
/// is, never a stack trace. What a spec can hold is tested in `SpecReaderTest` and
/// `SpecChecksTest`.
@Tag("system")
class BadInputSystemTest {

  private static final Duration ENDS_WITHIN = Duration.ofSeconds(60);

  /// Some 700 steps on a slow machine, and the time in which a full ledger is tried again.
  private static final Duration FILLS_WITHIN = Duration.ofMinutes(3);

  @TempDir private Path directory;
  private int runs;

  // ---- the file

  @Test
  void refusesFilesThatAreNoSpec() throws Exception {
    isRefused(2, "no spec was given", "run");
    isRefused(2, "none.yaml", "run", path("none.yaml"));
    isRefused(2, "is a directory", "run", directory.toString());
    isRefused(2, "is empty; a spec needs", "run", file("empty.yaml", ""));

    Path binary = directory.resolve("binary.yaml");
    Files.write(binary, new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, (byte) 0xff, (byte) 0xfe});
    isRefused(2, "binary.yaml", "run", binary.toString());

    Path huge = directory.resolve("huge.yaml");
    try (var sparse = new RandomAccessFile(huge.toFile(), "rw")) {
      sparse.setLength(100L << 20);
    }
    isRefused(2, "huge.yaml", "run", huge.toString());
  }

  @Test
  void refusesBombsAndDepth() throws Exception {
    var bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int level = 1; level < 12; level++) {
      String list = ("*a" + (level - 1) + ", ").repeat(9);
      bomb.append("a%d: &a%d [%s]\n".formatted(level, level, list.substring(0, list.length() - 2)));
    }
    isRefused(2, "files are read without aliases", "run", file("bomb.yaml", bomb.toString()));
    isRefused(
        2, "nested more than 20 levels", "run", file("deep.yaml", "a: " + "[".repeat(100_000)));
  }

  @Test
  void tellsPathLineExpectationAndRemedy() throws Exception {
    String addition = spec();
    isRefused(
        2,
        ": rollout.temprature: unknown field; did you mean temperature?",
        "run",
        file("typo.yaml", addition.replace("temperature:", "temprature:")));
    isRefused(
        2,
        "seed: is many but must be a whole number",
        "run",
        file("type.yaml", addition.replaceFirst("(?m)^seed: .*", "seed: many")));
    isRefused(2, "is 11 but must be a number from 0 to 10", "--set", "rollout.temperature=11");
    isRefused(2, "wibble", "--set", "wibble=1");
    isRefused(2, "--set nothing", "--set", "nothing");
    isRefused(2, "--seed -1", "--seed", "-1");
    isRefused(2, "Unknown option", "--sed", "1");
    isRefused(2, "model.scratch", "--set", "model.scratch.heads=3");
    isRefused(2, "publication.durable_every", "--set", "publication.durable_every=7");
    isRefused(2, "rollout.max_tokens", "--set", "rollout.max_tokens=2");
  }

  @Test
  void refusesModelsThatAreNotThere() throws Exception {
    isRefused(
        2,
        "there is no config.json that can be read",
        "--set",
        "model.scratch=null",
        "--set",
        "model.directory=" + path("no-model"));
  }

  // ---- the run directory

  @Test
  void refusesRunDirectoriesThatItCannotUse() throws Exception {
    String spec = file("spec.yaml", spec());
    isRefused(2, "cannot be written", "run", spec, "--run-dir", "/proc/gradus-run");
    isRefused(2, "is a file, not a directory", "run", spec, "--run-dir", spec);
    Path thesis = Files.createDirectory(directory.resolve("thesis"));
    Files.writeString(thesis.resolve("thesis.tex"), "");
    isRefused(2, "is not empty (thesis.tex)", "run", spec, "--run-dir", thesis.toString());
    isRefused(2, "holds no ledger.db", "run", "--resume", thesis.toString());
    isRefused(2, "is not a directory", "run", "--resume", path("none"));
    isRefused(2, "leave out --seed", "run", "--resume", thesis.toString(), "--seed", "1");
    isRefused(2, "none", "ledger", "audit", path("none"));
    isRefused(2, "none", "checkpoint", "verify", path("none"));
  }

  @Test
  void refusesASecondRunInADirectoryAndADamagedLedger() throws Exception {
    Path run = directory.resolve("run");
    String spec = Specs.write("kill", directory).toString();
    try (RunProcess first =
        RunProcess.start(
            directory.resolve("first"), Map.of(), "run", spec, "--run-dir", run.toString())) {
      Path summary = run.resolve("metrics.jsonl");
      await("the first run works")
          .atMost(ENDS_WITHIN)
          .until(() -> Files.exists(summary) || !first.isAlive());
      isRefused(2, "another gradus (pid ", "run", spec, "--run-dir", run.toString());
      isRefused(2, "another gradus (pid ", "run", "--resume", run.toString());
      first.kill();
    }
    isRefused(2, "go on with it by gradus run --resume", "run", spec, "--run-dir", run.toString());

    // What the write-ahead log holds would mend the page.
    Files.deleteIfExists(run.resolve("ledger.db-wal"));
    byte[] garbage = new byte[4096];
    try (var ledger = new RandomAccessFile(run.resolve("ledger.db").toFile(), "rw")) {
      ledger.write(garbage);
    }
    isRefused(1, "ledger.db", "run", "--resume", run.toString());
    isRefused(2, "ledger.db", "ledger", "audit", run.toString());
  }

  // ---- the disk

  @Test
  void saysThatTheDiskIsFull() throws Exception {
    Path small = Files.createDirectory(directory.resolve("small"));
    String spec = file("spec.yaml", spec());
    assumeThat(SmallDisk.canMount(small))
        .as("this user may mount a file system of its own")
        .isTrue();
    String before = onDiskOf("64k", small, spec, 2);
    isOneMessage(before, "KiB free but a run needs at least 16 MiB; free some, or choose another");
    String meanwhile = onDiskOf("17m", small, spec, 1);
    // Ledger, checkpoint and metrics fill it; each has its words for it.
    isOneMessage(meanwhile, "gradus run --resume");
    assertThat(meanwhile).containsPattern("No space left on device|disk is full");
  }

  /// What a run says that breaks off because its disk has no more than that.
  private String onDiskOf(String size, Path place, String spec, int expected) throws Exception {
    try (RunProcess process =
        RunProcess.startBehind(
            SmallDisk.behindMount(place, size),
            directory.resolve("output-" + size),
            Map.of(),
            "run",
            spec,
            "--quiet",
            "--run-dir",
            place.resolve("run").toString())) {
      int status = process.awaitExit(FILLS_WITHIN);
      assertThat(status).as(process.output()).isEqualTo(expected);
      return process.output();
    }
  }

  // ---- helpers

  private void isRefused(int status, String message, String... arguments) throws Exception {
    List<String> words = new ArrayList<>(List.of(arguments));
    if (words.getFirst().startsWith("--")) {
      words.addAll(0, List.of("run", file("spec.yaml", spec())));
    }
    runs++;
    Path output = directory.resolve("refused-" + runs);
    try (RunProcess process = RunProcess.start(output, Map.of(), words.toArray(String[]::new))) {
      int actual = process.awaitExit(ENDS_WITHIN);
      isOneMessage(process.output(), message);
      assertThat(actual).as("exit status of %s: %s", words, process.output()).isEqualTo(status);
    }
  }

  private static void isOneMessage(String output, String message) {
    assertThat(output).contains(message).doesNotContain("\tat ", "Exception");
    assertThat(output.lines()).as("one message: %s", output).hasSizeBetween(1, 4);
  }

  private String path(String name) {
    return directory.resolve(name).toString();
  }

  private String file(String name, String text) throws IOException {
    Path file = directory.resolve(name);
    Files.writeString(file, text, StandardCharsets.UTF_8);
    return file.toString();
  }

  private static String spec() throws IOException {
    return Files.readString(Path.of("..", "examples", "addition.yaml"));
  }
}
