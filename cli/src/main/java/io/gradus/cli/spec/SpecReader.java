package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/// Reads a run spec or the settings of a process: YAML by the field names of the proto, enum values
/// by their short names, durations as `15s`.
///
/// All faults are collected, so that a file is mended in one go; after [#MAX_FAULTS] the rest is
/// only counted.
public final class SpecReader<M extends Message> {

  /// Most faults told at once.
  public static final int MAX_FAULTS = 20;

  private static final Pattern NUMBER =
      Pattern.compile(
          "[-+]?(?:[0-9]{1,400}(?:\\.[0-9]{0,400})?|\\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?");

  private static final Pattern WHOLE_DIGITS = Pattern.compile("[-+]?[0-9]{1,400}");

  private static final BigInteger TWO_TO_64 = BigInteger.ONE.shiftLeft(64);

  private final SpecKind<M> kind;
  private final Origin whole;
  private final Map<String, Origin> origins = new LinkedHashMap<>();
  private final List<SpecFault> faults = new ArrayList<>();

  private SpecReader(SpecKind<M> kind, Origin whole) {
    this.kind = kind;
    this.whole = whole;
  }

  /// Reads `file` and lays `settings` over it, in their order.
  public static <M extends Message> ReadSpec<M> read(
      SpecKind<M> kind, Path file, List<Setting> settings) throws SpecRefusedException {
    return read(kind, SpecFile.read(file, kind), new Origin.WholeFile(file.toString()), settings);
  }

  /// Reads `settings` alone.
  ///
  /// @param whole where they come from, in messages about what is missing
  public static <M extends Message> ReadSpec<M> read(
      SpecKind<M> kind, Origin whole, List<Setting> settings) throws SpecRefusedException {
    return read(kind, "", whole, settings);
  }

  /// Reads `text` and checks it against the schema's constraints.
  static <M extends Message> ReadSpec<M> read(
      SpecKind<M> kind, String text, Origin whole, List<Setting> settings)
      throws SpecRefusedException {
    var reader = new SpecReader<>(kind, whole);
    ReadSpec<M> read = reader.fields(text, settings);
    Constraints.faults(kind, read.spec()).stream()
        .filter(problem -> !isFaultyAt(reader.faults, problem.path()))
        .map(problem -> problem.at(read))
        .forEach(reader.faults::add);
    refuseFaulty(reader.faults, whole);
    return read;
  }

  /// Reads `text` without looking at constraints.
  static <M extends Message> ReadSpec<M> parse(
      SpecKind<M> kind, String text, Origin whole, List<Setting> settings)
      throws SpecRefusedException {
    var reader = new SpecReader<>(kind, whole);
    ReadSpec<M> read = reader.fields(text, settings);
    refuseFaulty(reader.faults, whole);
    return read;
  }

  private ReadSpec<M> fields(String text, List<Setting> settings) throws SpecRefusedException {
    Optional<YamlNode> document =
        YamlDocument.read(text, line -> new Origin.Line(whole.toString(), line));
    if (document.isEmpty() && kind.ifEmpty().isPresent()) {
      throw SpecRefusedException.of(whole, kind.ifEmpty().get());
    }
    YamlNode root = document.orElseGet(() -> new YamlNode.Mapping(whole, new ArrayList<>()));
    if (!(root instanceof YamlNode.Mapping mapping)) {
      throw SpecRefusedException.of(
          root.origin(),
          "holds %s where the fields of %s are expected, such as \"%s:\""
              .formatted(root.spoken(), kind.title(), kind.field()));
    }
    for (Setting setting : settings) {
      setting.applyTo(mapping);
    }
    Message.Builder spec = kind.empty().newBuilderForType();
    fields(mapping, spec, "");
    // A builder that a message gives builds a message of its own type.
    @SuppressWarnings("unchecked")
    M read = (M) spec.build();
    return new ReadSpec<>(read, whole, origins);
  }

  /// Refuses `read` if later checks found `problems`, by path; their places are looked up.
  public static void refuse(ReadSpec<?> read, List<Problem> problems) throws SpecRefusedException {
    refuseFaulty(problems.stream().map(problem -> problem.at(read)).toList(), read.originOf(""));
  }

  /// A fault that knows its field but not its place.
  public record Problem(String path, String message) {
    SpecFault at(ReadSpec<?> read) {
      return new SpecFault(read.originOf(path), path, message);
    }
  }

  private static void refuseFaulty(List<SpecFault> faults, Origin whole)
      throws SpecRefusedException {
    if (faults.isEmpty()) {
      return;
    }
    List<SpecFault> sorted = faults.stream().sorted(SpecReader::byPlace).toList();
    if (sorted.size() <= MAX_FAULTS) {
      throw new SpecRefusedException(sorted);
    }
    List<SpecFault> told = new ArrayList<>(sorted.subList(0, MAX_FAULTS - 1));
    told.add(new SpecFault(whole, "", "%d more faults".formatted(sorted.size() - told.size())));
    throw new SpecRefusedException(told);
  }

  /// Lines in order; the sort is stable, so that what has no line stays behind what was found
  /// before it.
  private static int byPlace(SpecFault first, SpecFault second) {
    int firstLine = first.origin() instanceof Origin.Line(_, int line) ? line : Integer.MAX_VALUE;
    int secondLine = second.origin() instanceof Origin.Line(_, int line) ? line : Integer.MAX_VALUE;
    return Integer.compare(firstLine, secondLine);
  }

  /// Whether a fault is already known at `path`, around it or below it: one mistake, one message.
  private static boolean isFaultyAt(List<SpecFault> faults, String path) {
    return faults.stream()
        .map(SpecFault::path)
        .anyMatch(faulty -> encloses(faulty, path) || encloses(path, faulty));
  }

  private static boolean encloses(String outer, String inner) {
    return inner.equals(outer)
        || (!outer.isEmpty()
            && inner.startsWith(outer)
            && (inner.charAt(outer.length()) == '.' || inner.charAt(outer.length()) == '['));
  }

  private void fields(YamlNode.Mapping mapping, Message.Builder into, String path) {
    Descriptor type = into.getDescriptorForType();
    Map<String, Origin> seen = new LinkedHashMap<>();
    Map<String, String> chosenByOneof = new LinkedHashMap<>();
    Set<String> toldUnknown = new HashSet<>();
    for (YamlNode.Entry entry : mapping.entries()) {
      String at = path.isEmpty() ? entry.name() : path + "." + entry.name();
      FieldDescriptor field = type.findFieldByName(entry.name());
      if (field == null) {
        if (toldUnknown.add(entry.name())) {
          fault(entry.origin(), shortened(at), unknownField(entry.name(), type));
        }
        continue;
      }
      Origin before = seen.putIfAbsent(entry.name(), entry.origin());
      if (before != null) {
        fault(entry.origin(), at, "is given twice, first at %s; keep one".formatted(before));
        continue;
      }
      origins.put(at, entry.origin());
      var oneof = field.getRealContainingOneof();
      if (oneof != null) {
        String chosen = chosenByOneof.putIfAbsent(oneof.getName(), entry.name());
        if (chosen != null) {
          fault(
              entry.origin(),
              at,
              "cannot stand beside %s (%s); keep one of %s"
                  .formatted(
                      chosen,
                      seen.get(chosen),
                      String.join(
                          ", ",
                          oneof.getFields().stream().map(FieldDescriptor::getName).toList())));
          continue;
        }
      }
      if (field.isRepeated()) {
        items(entry, field, into, at);
      } else {
        value(entry.value(), entry.origin(), field, into, at)
            .ifPresent(v -> into.setField(field, v));
      }
    }
  }

  private void items(YamlNode.Entry entry, FieldDescriptor field, Message.Builder into, String at) {
    if (!(entry.value() instanceof YamlNode.Sequence(var _, var items))) {
      fault(
          entry.origin(),
          at,
          "is %s but must be a list; write \"- \" before each item"
              .formatted(entry.value().spoken()));
      return;
    }
    for (int i = 0; i < items.size(); i++) {
      String itemPath = at + "[" + i + "]";
      origins.put(itemPath, items.get(i).origin());
      value(items.get(i), items.get(i).origin(), field, into, itemPath)
          .ifPresent(v -> into.addRepeatedField(field, v));
    }
  }

  /// The value of `field`, or empty after a fault.
  private Optional<Object> value(
      YamlNode node, Origin origin, FieldDescriptor field, Message.Builder into, String at) {
    if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE && !isDuration(field)) {
      if (node instanceof YamlNode.Mapping mapping) {
        Message.Builder block = into.newBuilderForField(field);
        fields(mapping, block, at);
        return Optional.of(block.build());
      }
      fault(origin, at, "is %s but must be %s".formatted(node.spoken(), expectedBlock(field)));
      return Optional.empty();
    }
    if (!(node instanceof YamlNode.Scalar scalar) || scalar.isNull()) {
      fault(origin, at, "is %s but must be %s".formatted(node.spoken(), expected(field)));
      return Optional.empty();
    }
    Optional<Object> value = scalar(scalar, field);
    if (value.isEmpty()) {
      fault(origin, at, illTyped(scalar, field));
    }
    return value;
  }

  private static Optional<Object> scalar(YamlNode.Scalar scalar, FieldDescriptor field) {
    String text = scalar.text();
    return switch (field.getJavaType()) {
      case BOOLEAN ->
          !scalar.isQuoted() && (text.equals("true") || text.equals("false"))
              ? Optional.of(text.equals("true"))
              : Optional.empty();
      case INT ->
          wholeNumber(scalar).filter(n -> n.bitLength() < 32).map(BigInteger::intValueExact);
      case LONG -> longNumber(scalar, field);
      case DOUBLE, FLOAT -> number(scalar);
      case STRING ->
          scalar.isQuoted() || !looksLikeAnotherType(text) ? Optional.of(text) : Optional.empty();
      case ENUM -> EnumNames.find(field.getEnumType(), text).map(value -> value);
      case MESSAGE -> DurationText.parse(text).map(duration -> duration);
      case BYTE_STRING ->
          throw new IllegalStateException("no field of a spec holds bytes: " + field);
    };
  }

  /// JSON writes 64-bit numbers in quotes, so that both forms are read.
  private static Optional<Object> longNumber(YamlNode.Scalar scalar, FieldDescriptor field) {
    Optional<BigInteger> number =
        scalar.isQuoted()
            ? Optional.of(scalar.text())
                .filter(WHOLE_DIGITS.asMatchPredicate())
                .map(BigInteger::new)
            : wholeNumber(scalar);
    boolean isUnsigned = field.getType() == FieldDescriptor.Type.UINT64;
    return number
        .filter(
            n -> isUnsigned ? n.signum() >= 0 && n.compareTo(TWO_TO_64) < 0 : n.bitLength() < 64)
        .map(BigInteger::longValue);
  }

  private static Optional<BigInteger> wholeNumber(YamlNode.Scalar scalar) {
    String text = scalar.text();
    if (scalar.isQuoted() || !NUMBER.matcher(text).matches()) {
      return Optional.empty();
    }
    var decimal = new BigDecimal(text);
    // 1e9999 is a whole number too, and would fill memory if it were written out.
    if (decimal.precision() - decimal.scale() > 40 || decimal.stripTrailingZeros().scale() > 0) {
      return Optional.empty();
    }
    return Optional.of(decimal.toBigIntegerExact());
  }

  private static Optional<Object> number(YamlNode.Scalar scalar) {
    if (scalar.isQuoted() || !NUMBER.matcher(scalar.text()).matches()) {
      return Optional.empty();
    }
    double number = Double.parseDouble(scalar.text());
    return Double.isFinite(number) ? Optional.of(number) : Optional.empty();
  }

  private static boolean looksLikeAnotherType(String text) {
    return text.equals("true") || text.equals("false") || NUMBER.matcher(text).matches();
  }

  private String illTyped(YamlNode.Scalar scalar, FieldDescriptor field) {
    String spoken = isSecret(field) ? SpecWriter.MASK : scalar.spoken();
    String start = "is %s but must be %s".formatted(spoken, expected(field));
    if (field.getJavaType() == FieldDescriptor.JavaType.ENUM) {
      return start + didYouMean(scalar.text(), EnumNames.shortNames(field.getEnumType()));
    }
    if (field.getJavaType() == FieldDescriptor.JavaType.STRING) {
      return start + "; put it in quotes";
    }
    if (isDuration(field)) {
      return NUMBER.matcher(scalar.text()).matches()
          ? start + "; the unit is missing, did you mean %ss?".formatted(scalar.text())
          : start;
    }
    var bare = new YamlNode.Scalar(scalar.origin(), scalar.text(), false);
    return scalar.isQuoted() && scalar(bare, field).isPresent()
        ? start + "; leave out the quotes"
        : start;
  }

  private static String expected(FieldDescriptor field) {
    return switch (field.getJavaType()) {
      case BOOLEAN -> "true or false";
      case INT -> "a whole number" + ofRange(field, " below 2147483648");
      case LONG -> "a whole number" + ofRange(field, "");
      case DOUBLE, FLOAT -> "a number" + ofRange(field, "");
      case STRING -> "a text";
      case ENUM -> "one of " + String.join(", ", EnumNames.shortNames(field.getEnumType()));
      case MESSAGE -> isDuration(field) ? "a duration such as 15s or 10m" : expectedBlock(field);
      case BYTE_STRING -> "bytes";
    };
  }

  private static String ofRange(FieldDescriptor field, String otherwise) {
    return Constraints.range(field).map(" "::concat).orElse(otherwise);
  }

  private static String expectedBlock(FieldDescriptor field) {
    return "a block with fields such as %s; for all defaults write \"%s: {}\""
        .formatted(
            String.join(
                ", ",
                field.getMessageType().getFields().stream()
                    .limit(3)
                    .map(FieldDescriptor::getName)
                    .toList()),
            field.getName());
  }

  private String unknownField(String name, Descriptor type) {
    List<String> known = type.getFields().stream().map(FieldDescriptor::getName).toList();
    Optional<String> nearest = Nearest.of(name, known);
    if (nearest.isPresent()) {
      return "unknown field; did you mean %s?".formatted(nearest.get());
    }
    List<String> elsewhere = new ArrayList<>();
    pathsTo(name, kind.descriptor(), "", elsewhere);
    if (!elsewhere.isEmpty()) {
      return "unknown field here; it belongs to " + String.join(" or ", elsewhere);
    }
    return "unknown field; known here are " + String.join(", ", known);
  }

  /// Where a field called `name` stands in the schema, which is a tree.
  private static void pathsTo(String name, Descriptor type, String path, List<String> found) {
    for (FieldDescriptor field : type.getFields()) {
      String at =
          (path.isEmpty() ? "" : path + ".") + field.getName() + (field.isRepeated() ? "[]" : "");
      if (field.getName().equals(name)) {
        found.add(at);
      }
      if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE && !isDuration(field)) {
        pathsTo(name, field.getMessageType(), at, found);
      }
    }
  }

  private static String didYouMean(String text, List<String> known) {
    return Nearest.of(text, known).map("; did you mean %s?"::formatted).orElse("");
  }

  private static String shortened(String path) {
    return path.length() <= 120 ? path : path.substring(0, 120) + "…";
  }

  /// Whether the value of `field` is never to be shown.
  static boolean isSecret(FieldDescriptor field) {
    return field.getOptions().getDebugRedact();
  }

  static boolean isText(FieldDescriptor field) {
    return field.getJavaType() == FieldDescriptor.JavaType.STRING;
  }

  static boolean isDuration(FieldDescriptor field) {
    return field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
        && field.getMessageType().getFullName().equals(Duration.getDescriptor().getFullName());
  }

  private void fault(Origin origin, String path, String message) {
    faults.add(new SpecFault(origin, path, message));
  }
}
