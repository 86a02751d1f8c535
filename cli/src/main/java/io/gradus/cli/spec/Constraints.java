package io.gradus.cli.spec;

import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.protovalidate.Violation;
import build.buf.protovalidate.exceptions.ValidationException;
import build.buf.validate.FieldPathElement;
import build.buf.validate.FieldRules;
import build.buf.validate.ValidateProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import io.gradus.coordinator.edge.SchemaRules;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The constraints of the schema, checked by protovalidate and told in our own words.
final class Constraints {

  /// Bounds by the name of their rule, lower ones first.
  private static final Map<String, String> BOUNDS = new LinkedHashMap<>();

  static {
    BOUNDS.put("gte", "of at least ");
    BOUNDS.put("gt", "above ");
    BOUNDS.put("lte", "of at most ");
    BOUNDS.put("lt", "below ");
  }

  private Constraints() {}

  /// What `spec`, of this kind, breaks.
  ///
  /// Protovalidate compiles its rules with CEL, the better part of a second; so a sound spec never
  /// meets it.
  static List<SpecReader.Problem> faults(SpecKind<?> kind, Message spec) {
    return new SchemaRules().violations(spec).isEmpty() ? List.of() : told(kind, spec);
  }

  private static List<SpecReader.Problem> told(SpecKind<?> kind, Message spec) {
    Validator validator = ValidatorFactory.newBuilder().build();
    try {
      return validator.validate(spec).getViolations().stream()
          .map(violation -> problem(kind, violation))
          .toList();
    } catch (ValidationException e) {
      throw new IllegalStateException("the constraints of the schema cannot be evaluated", e);
    }
  }

  /// What the constraints of `field` allow, such as `from 1 to 100`; empty when they say nothing of
  /// a range.
  static Optional<String> range(FieldDescriptor field) {
    FieldRules rules = field.getOptions().getExtension(ValidateProto.field);
    FieldDescriptor kind =
        rules.getOneofFieldDescriptor(FieldRules.getDescriptor().getOneofs().getFirst());
    if (kind == null || !(rules.getField(kind) instanceof Message typed)) {
      return Optional.empty();
    }
    return range(typed);
  }

  private static Optional<String> range(Message rules) {
    Map<String, String> bounds = new LinkedHashMap<>();
    rules.getAllFields().forEach((rule, value) -> bounds.put(rule.getName(), spoken(value)));
    if (bounds.containsKey("gte") && bounds.containsKey("lte")) {
      return Optional.of("from %s to %s".formatted(bounds.get("gte"), bounds.get("lte")));
    }
    List<String> parts = new ArrayList<>();
    BOUNDS.forEach((rule, spoken) -> {
      if (bounds.containsKey(rule)) {
        parts.add(spoken + bounds.get(rule));
      }
    });
    return parts.isEmpty() ? Optional.empty() : Optional.of(String.join(" and ", parts));
  }

  private static SpecReader.Problem problem(SpecKind<?> kind, Violation violation) {
    var proto = violation.toProto();
    List<FieldPathElement> elements = proto.getField().getElementsList();
    Descriptor type = kind.descriptor();
    var path = new StringBuilder();
    for (int i = 0; i < elements.size(); i++) {
      FieldPathElement element = elements.get(i);
      FieldDescriptor field = type.findFieldByName(element.getFieldName());
      if (field == null) {
        return new SpecReader.Problem(
            path.toString(), aboutOneof(type, element.getFieldName(), proto.getMessage()));
      }
      path.append(path.isEmpty() ? "" : ".").append(element.getFieldName());
      if (element.hasIndex()) {
        path.append('[').append(element.getIndex()).append(']');
      }
      if (i < elements.size() - 1) {
        type = field.getMessageType();
        continue;
      }
      return new SpecReader.Problem(path.toString(), aboutField(kind, violation, field, element));
    }
    return new SpecReader.Problem(path.toString(), proto.getMessage());
  }

  private static String aboutOneof(Descriptor type, String name, String otherwise) {
    return type.getRealOneofs().stream()
        .filter(oneof -> oneof.getName().equals(name))
        .findFirst()
        .map(Constraints::choice)
        .orElse(otherwise);
  }

  private static String choice(OneofDescriptor oneof) {
    return "needs one of "
        + String.join(", ", oneof.getFields().stream().map(FieldDescriptor::getName).toList());
  }

  private static String aboutField(
      SpecKind<?> kind, Violation violation, FieldDescriptor field, FieldPathElement element) {
    var proto = violation.toProto();
    String rule = proto.getRuleId();
    if (rule.equals("required") || rule.startsWith("repeated.min_items")) {
      return "is missing; every %s needs it".formatted(kind.subject());
    }
    if (rule.startsWith("repeated.max_items")) {
      return "has too many items; at most %s are allowed".formatted(ruleValue(violation));
    }
    Optional<Object> scalar = scalar(violation.getFieldValue(), field);
    if (scalar.isEmpty() || (field.isRepeated() && !element.hasIndex())) {
      return proto.getMessage();
    }
    String value = spoken(scalar.get());
    return switch (rule) {
      case "string.min_len" ->
          "is too short; at least %s characters".formatted(ruleValue(violation));
      case "string.max_len" -> "is too long; at most %s characters".formatted(ruleValue(violation));
      case "string.pattern" -> "is \"%s\" but must match %s".formatted(value, ruleValue(violation));
      default ->
          range(field)
              .map(range -> "is %s but must be a %s %s".formatted(value, noun(field), range))
              .orElse("is %s but %s".formatted(value, proto.getMessage()));
    };
  }

  /// The value that broke a rule, unless it is a block.
  private static Optional<Object> scalar(
      Violation.@Nullable FieldValue holder, FieldDescriptor field) {
    if (holder == null) {
      return Optional.empty();
    }
    Object value = holder.getValue();
    return value instanceof Message && !SpecReader.isDuration(field)
        ? Optional.empty()
        : Optional.ofNullable(value);
  }

  private static String noun(FieldDescriptor field) {
    return switch (field.getJavaType()) {
      case INT, LONG -> "whole number";
      case MESSAGE -> "duration";
      default -> "number";
    };
  }

  private static String ruleValue(Violation violation) {
    Violation.FieldValue holder = violation.getRuleValue();
    Object value = holder == null ? null : holder.getValue();
    return value == null ? "the schema" : spoken(value);
  }

  /// A bound or a value as it would be written in a spec.
  private static String spoken(Object value) {
    return switch (value) {
      case Duration duration -> DurationText.of(duration);
      case java.time.Duration duration ->
          DurationText.of(
              Duration.newBuilder()
                  .setSeconds(duration.getSeconds())
                  .setNanos(duration.getNano())
                  .build());
      case Double number -> spoken(number.doubleValue());
      case Float number -> spoken(number.doubleValue());
      default -> value.toString();
    };
  }

  private static String spoken(double number) {
    if (!Double.isFinite(number)) {
      return Double.toString(number);
    }
    var decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
    return decimal.precision() - decimal.scale() > 12 || decimal.scale() > 12
        ? decimal.toString()
        : decimal.toPlainString();
  }
}
