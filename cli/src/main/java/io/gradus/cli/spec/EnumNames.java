package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// Short names of enum values: `balanced` for `STAR_WEIGHTS_BALANCED` of `StarWeights`.
final class EnumNames {

  private EnumNames() {}

  static String shortName(EnumValueDescriptor value) {
    String prefix = prefix(value.getType());
    String name = value.getName();
    return (name.startsWith(prefix) ? name.substring(prefix.length()) : name)
        .toLowerCase(Locale.ROOT);
  }

  /// The names that may be written, in the order of the schema; "unspecified" is none.
  static List<String> shortNames(EnumDescriptor type) {
    return type.getValues().stream()
        .filter(value -> value.getNumber() != 0)
        .map(EnumNames::shortName)
        .toList();
  }

  /// The value with the short or the full name `text`.
  static Optional<EnumValueDescriptor> find(EnumDescriptor type, String text) {
    return type.getValues().stream()
        .filter(value -> value.getNumber() != 0)
        .filter(value -> shortName(value).equals(text) || value.getName().equals(text))
        .findFirst();
  }

  private static String prefix(EnumDescriptor type) {
    return type.getName().replaceAll("([a-z0-9])([A-Z])", "$1_$2").toUpperCase(Locale.ROOT) + "_";
  }
}
