package io.gradus.coordinator.edge;

import build.buf.validate.BytesRules;
import build.buf.validate.DoubleRules;
import build.buf.validate.DurationRules;
import build.buf.validate.EnumRules;
import build.buf.validate.FieldRules;
import build.buf.validate.FloatRules;
import build.buf.validate.Int32Rules;
import build.buf.validate.Int64Rules;
import build.buf.validate.RepeatedRules;
import build.buf.validate.StringRules;
import build.buf.validate.UInt64Rules;
import build.buf.validate.ValidateProto;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import io.gradus.run.v1.Stop;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/*
 * Protovalidate is the reference, and tests compare the two on every message. It compiles each rule
 * with CEL, which costs a second at the start of a process and microseconds for every field of every
 * group afterwards. The rules of our schema are ranges, lengths, patterns and presence; read from the
 * same options they are a few comparisons. A rule that is not known here fails the first use of its
 * message, and with it a test.
 */

/// The constraints of the schema, checked without CEL.
public final class SchemaRules {

  /// A field that breaks a rule.
  ///
  /// @param path such as `spec.rollout.temperature` or `leases[3].progress`
  /// @param message what is there, and what must be
  public record Violation(String path, String message) {}

  /// A broken rule in words, or nothing.
  private interface Check extends Function<Object, Optional<String>> {}

  private record Field(
      FieldDescriptor descriptor, boolean isRequired, List<Check> whole, List<Check> values) {}

  private record Rules(
      List<Field> fields, List<OneofDescriptor> requiredOneofs, List<MessageRule> messageRules) {}

  private record MessageRule(String message, Predicate<Message> holds) {}

  /// Compiled once a type; the same whichever thread was first.
  private final Map<Descriptor, Rules> rules = new ConcurrentHashMap<>();

  /// What `message` breaks, at most a few findings for each field.
  public List<Violation> violations(Message message) {
    var violations = new ArrayList<Violation>(0);
    check(message, "", violations);
    return violations;
  }

  /// Refuses a message that breaks a rule.
  void require(Message message) {
    List<Violation> violations = violations(message);
    if (!violations.isEmpty()) {
      throw Refusals.invalid(violations);
    }
  }

  private void check(Message message, String path, List<Violation> violations) {
    Rules compiled = rules.computeIfAbsent(message.getDescriptorForType(), SchemaRules::compile);
    for (OneofDescriptor oneof : compiled.requiredOneofs()) {
      if (!message.hasOneof(oneof)) {
        violations.add(
            new Violation(
                path + oneof.getName(),
                "needs one of "
                    + String.join(
                        ", ", oneof.getFields().stream().map(FieldDescriptor::getName).toList())));
      }
    }
    for (MessageRule rule : compiled.messageRules()) {
      if (!rule.holds().test(message)) {
        violations.add(new Violation(path.isEmpty() ? "" : withoutDot(path), rule.message()));
      }
    }
    for (Field field : compiled.fields()) {
      checkField(message, field, path, violations);
    }
  }

  private void checkField(Message message, Field field, String path, List<Violation> violations) {
    FieldDescriptor descriptor = field.descriptor();
    String here = path + descriptor.getName();
    if (descriptor.isRepeated()) {
      List<?> values = (List<?>) message.getField(descriptor);
      apply(field.whole(), values, here, violations);
      if (field.isRequired() && values.isEmpty()) {
        violations.add(new Violation(here, "is missing"));
      }
      boolean isMessage =
          descriptor.getJavaType() == FieldDescriptor.JavaType.MESSAGE && !descriptor.isMapField();
      if (isMessage || !field.values().isEmpty()) {
        for (int index = 0; index < values.size(); index++) {
          String item = here + "[" + index + "]";
          apply(field.values(), values.get(index), item, violations);
          if (isMessage) {
            check((Message) values.get(index), item + ".", violations);
          }
        }
      }
      return;
    }
    boolean isThere =
        descriptor.hasPresence()
            ? message.hasField(descriptor)
            : !message.getField(descriptor).equals(descriptor.getDefaultValue());
    if (!isThere && field.isRequired()) {
      violations.add(new Violation(here, "is missing"));
    }
    if (!isThere && descriptor.hasPresence()) {
      return;
    }
    apply(field.values(), message.getField(descriptor), here, violations);
    if (descriptor.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
      check((Message) message.getField(descriptor), here + ".", violations);
    }
  }

  private static void apply(
      List<Check> checks, Object value, String path, List<Violation> violations) {
    for (Check check : checks) {
      check.apply(value).ifPresent(message -> violations.add(new Violation(path, message)));
    }
  }

  private static String withoutDot(String path) {
    return path.substring(0, path.length() - 1);
  }

  /// Compiles the rules of a type, without those of the types inside it.
  ///
  /// @throws IllegalStateException if the schema has a rule that is not known here
  private static Rules compile(Descriptor type) {
    if (type.getFile().getPackage().startsWith("google.")) {
      return new Rules(List.of(), List.of(), List.of());
    }
    var fields = new ArrayList<Field>();
    for (FieldDescriptor field : type.getFields()) {
      FieldRules options = field.getOptions().getExtension(ValidateProto.field);
      boolean isMessage = field.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
      if (field.getOptions().hasExtension(ValidateProto.field) || isMessage) {
        var whole = new ArrayList<Check>();
        var values = new ArrayList<Check>();
        if (options.hasRepeated()) {
          whole.add(items(options.getRepeated()));
          if (options.getRepeated().hasItems()) {
            values.addAll(values(options.getRepeated().getItems(), field));
          }
        } else {
          values.addAll(values(options, field));
        }
        fields.add(new Field(field, options.getRequired(), whole, values));
      }
    }
    List<OneofDescriptor> requiredOneofs =
        type.getRealOneofs().stream()
            .filter(oneof -> oneof.getOptions().getExtension(ValidateProto.oneof).getRequired())
            .toList();
    var messageRules = new ArrayList<MessageRule>();
    type.getOptions()
        .getExtension(ValidateProto.message)
        .getCelList()
        .forEach(rule -> messageRules.add(messageRule(rule.getId(), rule.getMessage())));
    return new Rules(fields, requiredOneofs, messageRules);
  }

  private static MessageRule messageRule(String id, String message) {
    if (id.equals("stop.bounded")) {
      return new MessageRule(
          message,
          stop ->
              stop.hasField(Stop.getDescriptor().findFieldByNumber(Stop.BATCHES_FIELD_NUMBER))
                  || stop.hasField(
                      Stop.getDescriptor().findFieldByNumber(Stop.WALL_TIME_FIELD_NUMBER)));
    }
    throw new IllegalStateException("the rule %s is not known here; write it down".formatted(id));
  }

  private static Check items(RepeatedRules options) {
    onlyKnown(options, "min_items", "max_items", "items");
    long max = options.hasMaxItems() ? options.getMaxItems() : Long.MAX_VALUE;
    return value -> {
      int size = ((List<?>) value).size();
      return size >= options.getMinItems() && size <= max
          ? Optional.empty()
          : Optional.of(
              "has %d items but must have %s"
                  .formatted(
                      size,
                      between(
                          Long.toString(options.getMinItems()),
                          options.hasMaxItems() ? Long.toString(max) : "")));
    };
  }

  private static List<Check> values(FieldRules options, FieldDescriptor field) {
    return switch (options.getTypeCase()) {
      case INT32 -> List.of(int32(options.getInt32()));
      case INT64 -> List.of(int64(options.getInt64()));
      case UINT64 -> List.of(uint64(options.getUint64()));
      case DOUBLE -> List.of(number(options.getDouble()));
      case FLOAT -> List.of(number(options.getFloat()));
      case STRING -> List.of(text(options.getString()));
      case BYTES -> List.of(bytes(options.getBytes()));
      case ENUM -> List.of(choice(options.getEnum()));
      case DURATION -> List.of(duration(options.getDuration()));
      case TYPE_NOT_SET -> List.of();
      default ->
          throw new IllegalStateException(
              "the rules of %s are not known here; write them down".formatted(field.getFullName()));
    };
  }

  private static Check int32(Int32Rules options) {
    onlyKnown(options, "gte", "lte");
    return range(
        options.hasGte() ? options.getGte() : Long.MIN_VALUE,
        options.hasLte() ? options.getLte() : Long.MAX_VALUE);
  }

  private static Check int64(Int64Rules options) {
    onlyKnown(options, "gte", "lte");
    return range(
        options.hasGte() ? options.getGte() : Long.MIN_VALUE,
        options.hasLte() ? options.getLte() : Long.MAX_VALUE);
  }

  /// No range of the schema reaches beyond a signed long, where a larger value is negative.
  private static Check uint64(UInt64Rules options) {
    onlyKnown(options, "gte", "lte");
    return range(options.getGte(), options.hasLte() ? options.getLte() : Long.MAX_VALUE);
  }

  private static Check range(long least, long most) {
    return value -> {
      long number = ((Number) value).longValue();
      return number >= least && number <= most
          ? Optional.empty()
          : Optional.of(
              "is %d but must be %s"
                  .formatted(
                      number,
                      between(
                          least == Long.MIN_VALUE ? "" : Long.toString(least),
                          most == Long.MAX_VALUE ? "" : Long.toString(most))));
    };
  }

  private static Check number(DoubleRules options) {
    onlyKnown(options, "gte", "lte", "gt", "lt", "finite");
    return number(
        options.hasGte() ? Optional.of(options.getGte()) : Optional.empty(),
        options.hasGt() ? Optional.of(options.getGt()) : Optional.empty(),
        options.hasLte() ? Optional.of(options.getLte()) : Optional.empty(),
        options.hasLt() ? Optional.of(options.getLt()) : Optional.empty(),
        options.getFinite());
  }

  private static Check number(FloatRules options) {
    onlyKnown(options, "gte", "lte", "gt", "lt", "finite");
    return number(
        options.hasGte() ? Optional.of((double) options.getGte()) : Optional.empty(),
        options.hasGt() ? Optional.of((double) options.getGt()) : Optional.empty(),
        options.hasLte() ? Optional.of((double) options.getLte()) : Optional.empty(),
        options.hasLt() ? Optional.of((double) options.getLt()) : Optional.empty(),
        options.getFinite());
  }

  /// NaN is in no range.
  private static Check number(
      Optional<Double> gte,
      Optional<Double> gt,
      Optional<Double> lte,
      Optional<Double> lt,
      boolean isFinite) {
    return value -> {
      double number = ((Number) value).doubleValue();
      boolean holds =
          (gte.isEmpty() || number >= gte.get())
              && (gt.isEmpty() || number > gt.get())
              && (lte.isEmpty() || number <= lte.get())
              && (lt.isEmpty() || number < lt.get())
              && (!isFinite || Double.isFinite(number));
      if (holds) {
        return Optional.empty();
      }
      var bounds = new ArrayList<String>();
      gte.ifPresent(bound -> bounds.add("at least " + bound));
      gt.ifPresent(bound -> bounds.add("above " + bound));
      lte.ifPresent(bound -> bounds.add("at most " + bound));
      lt.ifPresent(bound -> bounds.add("below " + bound));
      if (isFinite) {
        bounds.add("finite");
      }
      return Optional.of("is %s but must be %s".formatted(number, String.join(" and ", bounds)));
    };
  }

  private static Check text(StringRules options) {
    onlyKnown(options, "min_len", "max_len", "pattern");
    Optional<Pattern> pattern =
        options.hasPattern()
            ? Optional.of(Pattern.compile(options.getPattern()))
            : Optional.empty();
    long max = options.hasMaxLen() ? options.getMaxLen() : Long.MAX_VALUE;
    return value -> {
      String text = (String) value;
      int length = text.codePointCount(0, text.length());
      if (length < options.getMinLen() || length > max) {
        return Optional.of(
            "has %d characters but must have %s"
                .formatted(
                    length,
                    between(
                        Long.toString(options.getMinLen()),
                        options.hasMaxLen() ? Long.toString(max) : "")));
      }
      return pattern.isEmpty() || pattern.get().matcher(text).find()
          ? Optional.empty()
          : Optional.of(
              "is \"%s\" but must match %s".formatted(shortened(text), pattern.get().pattern()));
    };
  }

  private static Check bytes(BytesRules options) {
    onlyKnown(options, "len", "min_len", "max_len");
    long min = options.hasLen() ? options.getLen() : options.getMinLen();
    long max =
        options.hasLen()
            ? options.getLen()
            : options.hasMaxLen() ? options.getMaxLen() : Long.MAX_VALUE;
    return value -> {
      int size = ((ByteString) value).size();
      return size >= min && size <= max
          ? Optional.empty()
          : Optional.of(
              "has %d bytes but must have %s"
                  .formatted(
                      size,
                      between(
                          Long.toString(min), max == Long.MAX_VALUE ? "" : Long.toString(max))));
    };
  }

  private static Check choice(EnumRules options) {
    onlyKnown(options, "defined_only", "not_in");
    return value -> {
      var choice = (EnumValueDescriptor) value;
      boolean isUnknown =
          options.getDefinedOnly()
              && choice.getType().findValueByNumber(choice.getNumber()) == null;
      return isUnknown || options.getNotInList().contains(choice.getNumber())
          ? Optional.of(
              "is %s, which is not one of the values of %s"
                  .formatted(
                      isUnknown ? choice.getNumber() : choice.getName(),
                      choice.getType().getName()))
          : Optional.empty();
    };
  }

  private static Check duration(DurationRules options) {
    onlyKnown(options, "gte", "lte", "gt", "lt");
    return value -> {
      java.time.Duration duration = of((Duration) value);
      boolean holds =
          (!options.hasGte() || duration.compareTo(of(options.getGte())) >= 0)
              && (!options.hasGt() || duration.compareTo(of(options.getGt())) > 0)
              && (!options.hasLte() || duration.compareTo(of(options.getLte())) <= 0)
              && (!options.hasLt() || duration.compareTo(of(options.getLt())) < 0);
      return holds
          ? Optional.empty()
          : Optional.of("is %s, which is out of range".formatted(duration));
    };
  }

  private static java.time.Duration of(Duration duration) {
    return java.time.Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  private static void onlyKnown(Message options, String... known) {
    List<String> names = List.of(known);
    options
        .getAllFields()
        .keySet()
        .forEach(rule -> {
          if (!names.contains(rule.getName())) {
            throw new IllegalStateException(
                "the rule %s is not known here; write it down".formatted(rule.getFullName()));
          }
        });
  }

  private static String between(String least, String most) {
    if (least.isEmpty()) {
      return "at most " + most;
    }
    return most.isEmpty() ? "at least " + least : "%s to %s".formatted(least, most);
  }

  private static String shortened(String text) {
    return text.length() <= 64 ? text : text.substring(0, 64) + "…";
  }
}
