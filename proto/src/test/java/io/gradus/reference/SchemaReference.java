package io.gradus.reference;

import build.buf.validate.FieldRules;
import build.buf.validate.ValidateProto;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.EnumDescriptorProto;
import com.google.protobuf.DescriptorProtos.EnumValueDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Label;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Type;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.DescriptorProtos.SourceCodeInfo.Location;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.ExtensionRegistry;
import com.google.protobuf.Message;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/// Writes the reference of what people write in YAML as Markdown, from the comments and constraints
/// of a proto.
final class SchemaReference {

  private final FileDescriptorProto file;

  /// What type names begin with.
  private final String prefix;

  private final Map<List<Integer>, String> comments = new LinkedHashMap<>();
  private final StringBuilder page = new StringBuilder();

  private SchemaReference(FileDescriptorProto file) {
    this.file = file;
    prefix = "." + file.getPackage() + ".";
    for (Location location : file.getSourceCodeInfo().getLocationList()) {
      if (!location.getLeadingComments().isBlank()) {
        comments.put(
            location.getPathList(), location.getLeadingComments().strip().replaceAll("\\s+", " "));
      }
    }
  }

  /// @param image descriptors with source information, as `buf build` writes them
  /// @param proto the file in it
  /// @param roots the messages to begin with
  /// @param introduction of the page, with its heading
  static String of(Path image, String proto, List<String> roots, String introduction)
      throws IOException {
    var registry = ExtensionRegistry.newInstance();
    ValidateProto.registerAllExtensions(registry);
    FileDescriptorSet set = FileDescriptorSet.parseFrom(Files.readAllBytes(image), registry);
    FileDescriptorProto spec =
        set.getFileList().stream()
            .filter(file -> file.getName().equals(proto))
            .findFirst()
            .orElseThrow();
    return new SchemaReference(spec).write(roots, introduction);
  }

  private String write(List<String> roots, String introduction) {
    page.append(introduction);
    var queue = new ArrayDeque<String>(roots);
    var seen = new LinkedHashSet<String>(queue);
    while (!queue.isEmpty()) {
      String name = queue.remove();
      for (int index = 0; index < file.getMessageTypeCount(); index++) {
        if (file.getMessageType(index).getName().equals(name)) {
          writeMessage(index);
          for (FieldDescriptorProto field : file.getMessageType(index).getFieldList()) {
            if (field.getTypeName().startsWith(prefix)) {
              String type = field.getTypeName().substring(prefix.length());
              if (seen.add(type)) {
                queue.add(type);
              }
            }
          }
        }
      }
      for (int index = 0; index < file.getEnumTypeCount(); index++) {
        if (file.getEnumType(index).getName().equals(name)) {
          writeEnum(index);
        }
      }
    }
    return page.toString();
  }

  private void writeMessage(int index) {
    DescriptorProto message = file.getMessageType(index);
    page.append("\n## ").append(message.getName()).append("\n\n");
    page.append(comments.getOrDefault(List.of(4, index), "")).append("\n");
    page.append("\n| field | type | allowed | meaning |\n|---|---|---|---|\n");
    for (int number = 0; number < message.getFieldCount(); number++) {
      FieldDescriptorProto field = message.getField(number);
      String meaning = comments.getOrDefault(List.of(4, index, 2, number), "");
      boolean choice = field.hasOneofIndex() && !field.getProto3Optional();
      page.append(
          "| `%s` | %s | %s | %s%s |\n"
              .formatted(
                  field.getName(),
                  type(field),
                  allowed(field),
                  choice ? "One of `%s`. ".formatted(oneof(message, field)) : "",
                  meaning));
    }
  }

  private static String oneof(DescriptorProto message, FieldDescriptorProto field) {
    return message.getFieldList().stream()
        .filter(other ->
            other.hasOneofIndex()
                && !other.getProto3Optional()
                && other.getOneofIndex() == field.getOneofIndex())
        .map(FieldDescriptorProto::getName)
        .collect(Collectors.joining("`, `"));
  }

  private void writeEnum(int index) {
    EnumDescriptorProto type = file.getEnumType(index);
    String prefix = type.getValue(0).getName().replaceAll("UNSPECIFIED$", "");
    page.append("\n## ").append(type.getName()).append("\n\n");
    page.append(comments.getOrDefault(List.of(5, index), "")).append("\n");
    page.append("\n| value | meaning |\n|---|---|\n");
    for (int number = 1; number < type.getValueCount(); number++) {
      EnumValueDescriptorProto value = type.getValue(number);
      page.append(
          "| `%s` | %s |\n"
              .formatted(
                  value.getName().substring(prefix.length()).toLowerCase(Locale.ROOT),
                  comments.getOrDefault(List.of(5, index, 2, number), "")));
    }
  }

  private String type(FieldDescriptorProto field) {
    String name =
        switch (field.getType()) {
          case TYPE_INT32, TYPE_INT64, TYPE_UINT64 -> "integer";
          case TYPE_DOUBLE -> "number";
          case TYPE_BOOL -> "true or false";
          case TYPE_STRING -> "text";
          case TYPE_MESSAGE, TYPE_ENUM ->
              field.getTypeName().startsWith(prefix)
                  ? link(field.getTypeName().substring(prefix.length()))
                  : "duration, such as `90s`";
          default -> throw new IllegalStateException("no name for type " + field.getType());
        };
    return field.getLabel() == Label.LABEL_REPEATED ? "list of " + name : name;
  }

  private static String link(String type) {
    return "[%s](#%s)".formatted(type, type.toLowerCase(Locale.ROOT));
  }

  /// The constraint in words; a rule without words here is a programming error of the proto's
  /// author.
  private static String allowed(FieldDescriptorProto field) {
    FieldRules rules = field.getOptions().getExtension(ValidateProto.field);
    String required = rules.getRequired() ? "required " : "";
    return (required + (field.getType() == Type.TYPE_ENUM ? "" : words(rules))).strip();
  }

  private static String words(FieldRules rules) {
    var words = new LinkedHashSet<String>();
    for (var kind : rules.getAllFields().entrySet()) {
      if (kind.getValue() instanceof Message typed) {
        for (var rule : typed.getAllFields().entrySet()) {
          words.add(word(rule.getKey(), rule.getValue()));
        }
      }
    }
    words.remove("");
    return String.join(", ", words);
  }

  private static String word(FieldDescriptor rule, Object value) {
    String text = value instanceof Duration duration ? seconds(duration) : String.valueOf(value);
    return switch (rule.getName()) {
      case "gt" -> "> " + text;
      case "gte" -> "≥ " + text;
      case "lt" -> "< " + text;
      case "lte" -> "≤ " + text;
      case "min_len" -> "at least %s characters".formatted(text);
      case "max_len" -> "at most %s characters".formatted(text);
      case "min_items" -> "at least " + text;
      case "max_items" -> "at most " + text;
      case "pattern" -> "`%s`".formatted(text.replace("|", "\\|"));
      case "items" -> "each " + words((FieldRules) value);
      case "finite" -> "";
      default -> throw new IllegalStateException("no words for rule " + rule.getFullName());
    };
  }

  private static String seconds(Duration duration) {
    double seconds = duration.getSeconds() + duration.getNanos() * 1e-9;
    return seconds == Math.rint(seconds) ? "%.0fs".formatted(seconds) : "%ss".formatted(seconds);
  }
}
