package io.gradus.cli.spec;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/// The bytes of a spec file as text, or a reason why they are none.
final class SpecFile {

  /// Largest spec that is read. A real one has a few kilobytes.
  static final int MAX_BYTES = 1 << 20;

  private SpecFile() {}

  /// Reads at most [#MAX_BYTES] and one, whatever the size of the file.
  static String read(Path file) throws SpecRefusedException {
    Origin origin = new Origin.WholeFile(file.toString());
    if (Files.isDirectory(file)) {
      throw SpecRefusedException.of(
          origin,
          "is a directory; name the spec file in it, or --resume it if it is a run directory");
    }
    if (!Files.exists(file)) {
      throw SpecRefusedException.of(
          origin,
          "does not exist" + nearestFile(file).map("; did you mean %s?"::formatted).orElse(""));
    }
    if (!Files.isRegularFile(file)) {
      throw SpecRefusedException.of(origin, "is not a regular file; write the spec into one");
    }
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(MAX_BYTES + 1);
    } catch (AccessDeniedException _) {
      throw SpecRefusedException.of(origin, "may not be read; check its permissions");
    } catch (IOException e) {
      throw SpecRefusedException.of(origin, "cannot be read: " + e.getMessage());
    }
    if (bytes.length > MAX_BYTES) {
      throw SpecRefusedException.of(
          origin,
          "is larger than 1 MiB; a spec has a few kilobytes, so this is probably another file");
    }
    return text(bytes, origin);
  }

  private static String text(byte[] bytes, Origin origin) throws SpecRefusedException {
    if (startsWith(bytes, 0xEF, 0xBB, 0xBF)) {
      throw SpecRefusedException.of(
          origin, "begins with a byte order mark; save it as UTF-8 without one");
    }
    if (startsWith(bytes, 0xFF, 0xFE) || startsWith(bytes, 0xFE, 0xFF)) {
      throw SpecRefusedException.of(origin, "is UTF-16; save it as UTF-8");
    }
    for (int i = 0; i < bytes.length; i++) {
      if (bytes[i] == 0) {
        throw SpecRefusedException.of(
            origin, "is not a text file (byte %d is 0); a spec is YAML in UTF-8".formatted(i));
      }
    }
    var buffer = ByteBuffer.wrap(bytes);
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(buffer)
          .toString();
    } catch (CharacterCodingException _) {
      throw SpecRefusedException.of(
          origin,
          "is not UTF-8 (byte %d is wrong); a spec is YAML in UTF-8".formatted(buffer.position()));
    }
  }

  private static boolean startsWith(byte[] bytes, int... prefix) {
    if (bytes.length < prefix.length) {
      return false;
    }
    for (int i = 0; i < prefix.length; i++) {
      if ((bytes[i] & 0xFF) != prefix[i]) {
        return false;
      }
    }
    return true;
  }

  /// A file beside the missing one whose name is nearly the same.
  private static Optional<Path> nearestFile(Path file) {
    Path directory = Optional.ofNullable(file.getParent()).orElse(Path.of(""));
    Path name = file.getFileName();
    if (name == null) {
      return Optional.empty();
    }
    try (Stream<Path> entries = Files.list(directory)) {
      var names = entries.limit(1000).map(entry -> String.valueOf(entry.getFileName())).toList();
      return Nearest.of(name.toString(), names).map(directory::resolve);
    } catch (IOException _) {
      return Optional.empty();
    }
  }
}
