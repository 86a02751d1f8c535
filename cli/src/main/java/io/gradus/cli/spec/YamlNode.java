package io.gradus.cli.spec;

import java.util.ArrayList;
import java.util.List;

/// A value as it was written, with its place. No types are guessed here: what a scalar means is
/// decided by the field that it is for.
sealed interface YamlNode {

  /// Where the value begins.
  Origin origin();

  /// What a reader would call it: `"12"`, `a list`, `a block`.
  String spoken();

  /// A single value.
  ///
  /// @param isQuoted whether it was written in quotes or as a block of text, which makes it a text
  record Scalar(Origin origin, String text, boolean isQuoted) implements YamlNode {

    private static final int LONGEST_QUOTE = 60;

    boolean isNull() {
      return !isQuoted
          && (text.isEmpty()
              || text.equals("~")
              || text.equals("null")
              || text.equals("Null")
              || text.equals("NULL"));
    }

    @Override
    public String spoken() {
      if (isNull()) {
        return "empty";
      }
      String cut =
          text.codePointCount(0, text.length()) > LONGEST_QUOTE
              ? text.substring(0, text.offsetByCodePoints(0, LONGEST_QUOTE)) + "…"
              : text;
      String shown = cut.replace("\n", "\\n").replace("\r", "\\r");
      return isQuoted ? '"' + shown + '"' : shown;
    }
  }

  /// Values in order.
  record Sequence(Origin origin, List<YamlNode> items) implements YamlNode {
    @Override
    public String spoken() {
      return "a list";
    }
  }

  /// Names with values, in the order written; a name may stand twice, which the reader refuses.
  ///
  /// The list of entries is mutable: overrides are written into the document before it is read.
  record Mapping(Origin origin, ArrayList<Entry> entries) implements YamlNode {
    @Override
    public String spoken() {
      return "a block";
    }
  }

  /// A name with its value.
  record Entry(Origin origin, String name, YamlNode value) {}
}
