package io.gradus.coordinator.edge;

/// Text that callers choose and that reaches the rows of a commit.
///
/// A control character that a database refuses would fail the commit, and with it what others
/// decided; a line break would break a column that holds one item a line.
final class Texts {

  private Texts() {}

  /// An identifier; refused when it is not printable.
  static String identifier(String path, String text) {
    for (int index = 0; index < text.length(); index++) {
      if (Character.isISOControl(text.charAt(index))) {
        throw Refusals.invalid(
            path,
            "has the control character U+%04X at %d; use printable ones"
                .formatted((int) text.charAt(index), index));
      }
    }
    return text;
  }

  /// Prose for people; what is not printable becomes a blank.
  static String prose(String text) {
    var printable = new StringBuilder(text.length());
    text.chars()
        .forEach(unit -> printable.append(Character.isISOControl(unit) ? ' ' : (char) unit));
    return printable.toString();
  }
}
