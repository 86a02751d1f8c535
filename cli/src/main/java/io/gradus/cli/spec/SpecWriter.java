package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/// Writes a message as the YAML that [SpecReader] reads back into the same message, but for
/// secrets, which are masked.
public final class SpecWriter {

  /// Stands where a secret would.
  static final String MASK = "***";

  private static final int COMMENT_COLUMN = 40;

  private final StringBuilder out = new StringBuilder();
  private final Function<String, Optional<String>> commentAt;

  private SpecWriter(Function<String, Optional<String>> commentAt) {
    this.commentAt = commentAt;
  }

  /// The fields that `spec` has, in the order of the schema.
  public static String write(Message spec) {
    return write(spec, _ -> Optional.empty());
  }

  /// The same, with a comment behind each scalar for which `commentAt` gives one by its path.
  public static String write(Message spec, Function<String, Optional<String>> commentAt) {
    var writer = new SpecWriter(commentAt);
    writer.fields(spec, "", "", "");
    return writer.out.toString();
  }

  /// @param first what stands before the first field instead of `indent`: `- ` in a list
  private void fields(Message message, String path, String first, String indent) {
    String lead = first;
    for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
      if (field.isRepeated()
          ? message.getRepeatedFieldCount(field) == 0
          : !message.hasField(field)) {
        continue;
      }
      String at = path.isEmpty() ? field.getName() : path + "." + field.getName();
      out.append(lead).append(field.getName()).append(':');
      lead = indent;
      if (field.isRepeated()) {
        out.append('\n');
        List<?> items = (List<?>) message.getField(field);
        for (int i = 0; i < items.size(); i++) {
          item(field, items.get(i), at + "[" + i + "]", indent);
        }
      } else {
        value(field, message.getField(field), at, indent);
      }
    }
  }

  private void item(FieldDescriptor field, Object item, String at, String indent) {
    if (item instanceof Message block && !SpecReader.isDuration(field)) {
      if (block.getAllFields().isEmpty()) {
        out.append(indent).append("- {}\n");
      } else {
        fields(block, at, indent + "- ", indent + "  ");
      }
    } else {
      out.append(indent).append("-");
      value(field, item, at, indent);
    }
  }

  private void value(FieldDescriptor field, Object value, String at, String indent) {
    if (value instanceof Message block && !SpecReader.isDuration(field)) {
      if (block.getAllFields().isEmpty()) {
        out.append(" {}\n");
      } else {
        out.append('\n');
        fields(block, at, indent + "  ", indent + "  ");
      }
      return;
    }
    out.append(' ').append(scalar(field, value));
    commentAt.apply(at).ifPresent(this::comment);
    out.append('\n');
  }

  private void comment(String comment) {
    int column = out.length() - out.lastIndexOf("\n") - 1;
    out.repeat(" ", Math.max(1, COMMENT_COLUMN - column)).append("# ").append(comment);
  }

  private static String scalar(FieldDescriptor field, Object value) {
    if (SpecReader.isSecret(field)) {
      return quoted(MASK);
    }
    return switch (value) {
      case EnumValueDescriptor name -> EnumNames.shortName(name);
      case String text -> quoted(text);
      case Double number -> plain(number);
      case Duration duration -> DurationText.of(duration);
      case Long number when field.getType() == FieldDescriptor.Type.UINT64 ->
          Long.toUnsignedString(number);
      default -> value.toString();
    };
  }

  private static String plain(double number) {
    var decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
    boolean isShort = decimal.scale() <= 6 && decimal.precision() - decimal.scale() <= 9;
    return isShort
        ? decimal.toPlainString()
        : Double.toString(number).replace(".0E", "e").replace('E', 'e');
  }

  /// `text` as a YAML scalar that is read as a text.
  static String quoted(String text) {
    if (text.matches("[A-Za-z/][A-Za-z0-9_./-]*")
        && !text.matches("(?i)true|false|null|yes|no|on|off")) {
      return text;
    }
    var quoted = new StringBuilder("\"");
    text.codePoints()
        .forEach(c -> {
          if (c == '"' || c == '\\') {
            quoted.append('\\').appendCodePoint(c);
          } else if (c < 0x20
              || (c >= 0x7F && c < 0xA0)
              || c == 0xFEFF
              || c == 0x2028
              || c == 0x2029) {
            quoted.append("\\u%04X".formatted(c));
          } else {
            quoted.appendCodePoint(c);
          }
        });
    return quoted.append('"').toString();
  }
}
