package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The repository keeps its own rules.
class RepositoryTest {

  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

  /// Spelled in two parts, or this file would break the rule.
  private static final Pattern LEFTOVER = Pattern.compile("\\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b");

  private static final Set<String> EMPTY_NAMES =
      Set.of("util", "utils", "common", "impl", "helper", "helpers", "manager", "dto", "misc");

  private static List<Path> sources(String suffix) throws IOException {
    try (Stream<Path> files = Files.walk(ROOT)) {
      return files
          .filter(file -> file.toString().endsWith(suffix))
          .filter(file -> {
            String path = ROOT.relativize(file).toString();
            return !path.contains("target/") && !path.startsWith(".git/");
          })
          .toList();
    }
  }

  private static Path directoryOf(Path file) {
    return Objects.requireNonNull(file.getParent(), "every file is in a directory");
  }

  @Test
  void leavesNothingForLater() throws IOException {
    var found = new ArrayList<String>();
    for (String suffix :
        List.of(".java", ".md", ".proto", ".sh", ".py", ".yaml", ".sql", ".conf")) {
      for (Path file : sources(suffix)) {
        if (LEFTOVER.matcher(Files.readString(file)).find()) {
          found.add(ROOT.relativize(file).toString());
        }
      }
    }
    assertThat(found).isEmpty();
  }

  @Test
  void introducesEveryPackage() throws IOException {
    var unknown = new ArrayList<String>();
    for (Path file : sources(".java")) {
      if (file.startsWith(ROOT.resolve("proto"))) {
        // The packages there are generated; their protos introduce them.
        continue;
      }
      Path directory = directoryOf(file);
      boolean isNamed =
          Files.exists(directory.resolve("package-info.java"))
              // A test shares the introduction of what it tests.
              || Files.exists(
                  Path.of(directory.toString().replace("/src/test/java/", "/src/main/java/"))
                      .resolve("package-info.java"));
      if (!isNamed) {
        unknown.add(ROOT.relativize(directory).toString());
      }
    }
    assertThat(unknown).isEmpty();
  }

  @Test
  void givesPackagesNamesThatSayWhatIsInThem() throws IOException {
    assertThat(sources("package-info.java"))
        .allSatisfy(file ->
            assertThat(EMPTY_NAMES)
                .doesNotContain(String.valueOf(directoryOf(file).getFileName())));
  }

  @Test
  void namesOnlyFilesThatExist() throws IOException {
    var broken = new ArrayList<String>();
    Pattern link = Pattern.compile("]\\((?!https?://|#)([^)#\\s]+)(?:#[^)]*)?\\)");
    for (Path file : sources(".md")) {
      link.matcher(Files.readString(file).replaceAll("`[^`\n]*`", ""))
          .results()
          .map(match -> match.group(1))
          .filter(target -> !Files.exists(directoryOf(file).resolve(target)))
          .forEach(target -> broken.add(ROOT.relativize(file) + " -> " + target));
    }
    assertThat(broken).isEmpty();
  }
}
