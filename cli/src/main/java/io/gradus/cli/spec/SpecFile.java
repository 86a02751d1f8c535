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

/// The bytes of a file as text, or a reason why they are none.
final class SpecFile {

  /// Largest file that is read. A real one has a few kilobytes.
  static final int MAX_BYTES = 1 << 20;

  private SpecFile() {}

  /// Reads at most [#MAX_BYTES] and one, whatever the size of the file.
  static String read(Path file, SpecKind<?> kind) throws SpecRefusedException {
    Origin origin = new Origin.WholeFile(file.toString());
    if (Files.isDirectory(file)) {
      throw SpecRefusedException.of(origin, "is a directory; " + kind.ifDirectory());
    }
    if (!Files.exists(file)) {
      throw SpecRefusedException.of(
          origin,
          "does not exist" + nearestFile(file).map("; did you mean %s?"::formatted).orElse(""));
    }
    if (!Files.isRegularFile(file)) {
      throw SpecRefusedException.of(
          origin, "is not a regular file; write the %s into one".formatted(kind.document()));
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
          "is larger than 1 MiB; a %s has a few kilobytes, so this is probably another file"
              .formatted(kind.document()));
    }
    return text(bytes, origin, kind);
  }

  private static String text(byte[] bytes, Origin origin, SpecKind<?> kind)
      throws SpecRefusedException {
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
            origin,
            "is not a text file (byte %d is 0); a %s is YAML in UTF-8"
                .formatted(i, kind.document()));
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
          "is not UTF-8 (byte %d is wrong); a %s is YAML in UTF-8"
              .formatted(buffer.position(), kind.document()));
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
