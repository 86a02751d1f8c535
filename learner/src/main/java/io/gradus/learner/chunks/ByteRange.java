package io.gradus.learner.chunks;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// What a Range header asks of a file (RFC 9110, section 14). One range is served; a header with
/// several, in other units, or that is malformed counts as none, as the RFC allows.
sealed interface ByteRange {

  /// Everything.
  record Whole() implements ByteRange {}

  /// Some bytes; at least one.
  record Part(long from, long length) implements ByteRange {}

  /// Nothing that the file has.
  record Unsatisfiable() implements ByteRange {}

  Pattern ONE = Pattern.compile("bytes=(\\d{0,18})-(\\d{0,18})");

  /// What `header` asks of a file.
  ///
  /// @param header null where there is none
  /// @param size of the file
  static ByteRange of(@Nullable String header, long size) {
    if (header == null) {
      return new Whole();
    }
    Matcher range = ONE.matcher(header.strip());
    if (!range.matches()) {
      return new Whole();
    }
    String first = range.group(1);
    String last = range.group(2);
    if (first.isEmpty()) {
      if (last.isEmpty()) {
        return new Whole();
      }
      long length = Math.min(size, Long.parseLong(last));
      return length == 0 ? new Unsatisfiable() : new Part(size - length, length);
    }
    long from = Long.parseLong(first);
    long end = last.isEmpty() ? size : Math.min(size, Long.parseLong(last) + 1);
    if (!last.isEmpty() && Long.parseLong(last) < from) {
      return new Whole();
    }
    return from >= size ? new Unsatisfiable() : new Part(from, end - from);
  }
}
