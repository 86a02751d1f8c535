package io.gradus.core.run.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/// Compiles a source file of `core` with a bug in it, in memory, against the classes without it.
final class MutantCompiler {

  private static final Path SOURCES = Path.of("src", "main", "java", "io", "gradus", "core");

  private MutantCompiler() {}

  /// The classes of the mutated source, by name.
  ///
  /// @throws AssertionError when the snippet is not there exactly once, or the mutant is no Java
  static Map<String, byte[]> compile(PlantedBug bug) {
    String source = read(SOURCES.resolve(bug.source() + ".java"));
    assertThat(occurrences(source, bug.snippet()))
        .as("occurrences in %s of the snippet of \"%s\"", bug.source(), bug.name())
        .isEqualTo(1);
    String mutated = source.replace(bug.snippet(), bug.replacement());

    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    var messages = new StringWriter();
    try (var memory = new InMemory(compiler.getStandardFileManager(null, null, null))) {
      boolean isCompiled =
          compiler
              .getTask(
                  messages,
                  memory,
                  null,
                  List.of("-proc:none", "-nowarn", "-Xlint:none", "-implicit:none"),
                  null,
                  List.of(new Source(bug.className(), mutated)))
              .call();
      assertThat(isCompiled).as("%s: %s", bug.name(), messages).isTrue();
      return memory.classes();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static String read(Path path) {
    try {
      return Files.readString(path);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static int occurrences(String text, String snippet) {
    int count = 0;
    for (int at = text.indexOf(snippet); at >= 0; at = text.indexOf(snippet, at + 1)) {
      count++;
    }
    return count;
  }

  /// A source in memory.
  private static final class Source extends SimpleJavaFileObject {

    private final String text;

    Source(String className, String text) {
      super(
          URI.create("memory:///" + className.replace('.', '/') + Kind.SOURCE.extension),
          Kind.SOURCE);
      this.text = text;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }

  /// A class file in memory.
  private static final class ClassFile extends SimpleJavaFileObject {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    ClassFile(String className) {
      super(
          URI.create("memory:///" + className.replace('.', '/') + Kind.CLASS.extension),
          Kind.CLASS);
    }

    @Override
    public OutputStream openOutputStream() {
      return bytes;
    }
  }

  private static final class InMemory extends ForwardingJavaFileManager<JavaFileManager> {

    private final Map<String, ClassFile> files = new HashMap<>();

    InMemory(JavaFileManager standard) {
      super(standard);
    }

    @Override
    public JavaFileObject getJavaFileForOutput(
        Location location, String className, JavaFileObject.Kind kind, FileObject sibling) {
      return files.computeIfAbsent(className, ClassFile::new);
    }

    Map<String, byte[]> classes() {
      var classes = new HashMap<String, byte[]>();
      files.forEach((name, file) -> classes.put(name, file.bytes.toByteArray()));
      return classes;
    }
  }
}
