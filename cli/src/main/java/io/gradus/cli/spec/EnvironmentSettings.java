package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Values of fields given by environment variables: `GRADUS_COORDINATOR_LEDGER_PASSWORD` for
/// `ledger.password` of a coordinator.
///
/// Unlike `--set`, where a shell has taken the quotes away already, a variable is taken as it is: a
/// password of digits is a text, and `a:1,b:2` is a list of two.
public final class EnvironmentSettings {

  /// What Kubernetes tells a pod of a service that is called `gradus-coordinator`
  /// (`enableServiceLinks`, on by default). Nobody wrote these, so nobody can have mistyped them;
  /// no field has such a name.
  private static final Pattern OF_KUBERNETES =
      Pattern.compile("SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?");

  private EnvironmentSettings() {}

  /// The settings in `environment` whose names begin with `prefix`, in the order of their names.
  ///
  /// @throws SpecRefusedException when one names no field
  public static List<Setting> of(SpecKind<?> kind, String prefix, Map<String, String> environment)
      throws SpecRefusedException {
    Map<String, List<FieldDescriptor>> known = new TreeMap<>();
    fields(kind.descriptor(), List.of(), prefix, known);
    List<Setting> settings = new ArrayList<>();
    List<SpecFault> faults = new ArrayList<>();
    new TreeMap<>(environment)
        .forEach((name, value) -> {
          List<FieldDescriptor> path = known.get(name);
          if (path != null) {
            settings.add(setting(name, path, value));
          } else if (name.startsWith(prefix)
              && !OF_KUBERNETES.matcher(name.substring(prefix.length())).matches()) {
            faults.add(unknown(name, known));
          }
        });
    if (!faults.isEmpty()) {
      throw new SpecRefusedException(faults);
    }
    return settings;
  }

  private static void fields(
      Descriptor type,
      List<FieldDescriptor> path,
      String prefix,
      Map<String, List<FieldDescriptor>> into) {
    for (FieldDescriptor field : type.getFields()) {
      var here = new ArrayList<>(path);
      here.add(field);
      if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
          && !SpecReader.isDuration(field)) {
        fields(field.getMessageType(), here, prefix, into);
      } else if (into.put(nameOf(prefix, here), List.copyOf(here)) != null) {
        throw new IllegalStateException("two fields have the name " + nameOf(prefix, here));
      }
    }
  }

  private static String nameOf(String prefix, List<FieldDescriptor> path) {
    return prefix
        + path.stream()
            .map(FieldDescriptor::getName)
            .collect(Collectors.joining("_"))
            .toUpperCase(Locale.ROOT);
  }

  private static Setting setting(String name, List<FieldDescriptor> path, String value) {
    return new Setting(
        new Origin.Variable(name),
        path.stream().<Setting.Step>map(field -> new Setting.Step.Field(field.getName())).toList(),
        value.isEmpty() ? "" : yaml(path.getLast(), value));
  }

  private static String yaml(FieldDescriptor field, String value) {
    if (!field.isRepeated()) {
      return SpecReader.isText(field) ? SpecWriter.quoted(value) : value;
    }
    return Arrays.stream(value.split(",", -1))
        .map(String::strip)
        .map(item -> SpecReader.isText(field) ? SpecWriter.quoted(item) : item)
        .collect(Collectors.joining(", ", "[", "]"));
  }

  private static SpecFault unknown(String name, Map<String, List<FieldDescriptor>> known) {
    Optional<String> nearest = Nearest.of(name, known.keySet());
    return new SpecFault(
        new Origin.Variable(name),
        "",
        nearest
            .map("names no setting; did you mean %s?"::formatted)
            .orElse("names no setting; known are " + String.join(", ", known.keySet())));
  }
}
