package io.gradus.cli.spec;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// A value given on the command line for one field: `--set rollout.temperature=0.8`.
///
/// The value is YAML, so that `--set 'objective={grpo: {clip_low: 0.1}}'` replaces a whole block;
/// an empty value, or `null`, takes the field out of the spec.
///
/// @param origin the option as it was typed
public record Setting(Origin origin, List<Step> path, String value) {

  /// One step from a block to a field of it, and perhaps to an item of the list there.
  sealed interface Step {
    record Field(String name) implements Step {}

    record Item(int index) implements Step {}
  }

  private static final Pattern STEP =
      Pattern.compile("([A-Za-z0-9_-]{1,64})((?:\\[[0-9]{1,4}\\])?)");

  public Setting {
    path = List.copyOf(path);
  }

  /// The setting of the top-level field `name`, given by an option of its own such as `--seed 2`.
  public static Setting ofField(String option, String name, String value) {
    return new Setting(
        new Origin.Option(option + " " + value), List.of(new Step.Field(name)), value);
  }

  /// Reads `path=value` as it was given to `option`.
  public static Setting parse(String option, String text, SpecKind<?> kind)
      throws SpecRefusedException {
    int equals = text.indexOf('=');
    // The value may be a secret, and an origin is printed.
    var origin =
        new Origin.Option(
            option
                + " "
                + (hasSecrets(kind.descriptor()) && equals > 0 ? text.substring(0, equals) : text));
    if (equals < 1) {
      throw SpecRefusedException.of(
          origin, "is not of the form path=value, such as --set " + kind.setting());
    }
    List<Step> path = new ArrayList<>();
    for (String part : text.substring(0, equals).split("\\.", -1)) {
      var step = STEP.matcher(part);
      if (!step.matches()) {
        throw SpecRefusedException.of(
            origin,
            ("is not of the form path=value: \"%s\" is no name of a field; a path is"
                    + " written tasks[0].addition.last_digits")
                .formatted(part));
      }
      if (part.chars().allMatch(Character::isDigit)) {
        path.add(new Step.Item(Integer.parseInt(part.substring(0, Math.min(4, part.length())))));
      } else {
        path.add(new Step.Field(step.group(1)));
        if (!step.group(2).isEmpty()) {
          path.add(
              new Step.Item(
                  Integer.parseInt(step.group(2).substring(1, step.group(2).length() - 1))));
        }
      }
    }
    return new Setting(origin, path, text.substring(equals + 1));
  }

  private static boolean hasSecrets(Descriptor type) {
    return type.getFields().stream()
        .anyMatch(field ->
            SpecReader.isSecret(field)
                || (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
                    && hasSecrets(field.getMessageType())));
  }

  /// Writes the value into `root`, making the blocks on the way to it.
  void applyTo(YamlNode.Mapping root) throws SpecRefusedException {
    var parsed = YamlDocument.read(value, _ -> origin);
    YamlNode at = root;
    for (int i = 0; i < path.size(); i++) {
      boolean isLast = i == path.size() - 1;
      YamlNode next =
          isLast
              ? parsed.orElse(new YamlNode.Scalar(origin, "", false))
              : path.get(i + 1) instanceof Step.Field
                  ? new YamlNode.Mapping(origin, new ArrayList<>())
                  : new YamlNode.Sequence(origin, new ArrayList<>());
      at = step(at, path.get(i), next, isLast, parsed.isEmpty());
    }
  }

  /// Goes one step down from `at`, putting `next` there when nothing of its kind is there yet.
  private YamlNode step(YamlNode at, Step step, YamlNode next, boolean isLast, boolean removes)
      throws SpecRefusedException {
    return switch (step) {
      case Step.Field(String name) -> {
        if (!(at instanceof YamlNode.Mapping mapping)) {
          throw SpecRefusedException.of(
              origin, "has \"%s\" behind something that is no block".formatted(name));
        }
        int index = indexOf(mapping, name);
        if (index >= 0 && !isLast && isLike(mapping.entries().get(index).value(), next)) {
          yield mapping.entries().get(index).value();
        }
        if (index >= 0) {
          mapping.entries().remove(index);
        }
        if (!(isLast && removes)) {
          mapping.entries().add(new YamlNode.Entry(origin, name, next));
        }
        yield next;
      }
      case Step.Item(int index) -> {
        if (!(at instanceof YamlNode.Sequence(var _, var items))) {
          throw SpecRefusedException.of(
              origin, "has [%d] behind something that is no list".formatted(index));
        }
        if (index > items.size()) {
          throw SpecRefusedException.of(
              origin,
              "names item %d of a list of %d; items count from 0".formatted(index, items.size()));
        }
        if (index < items.size() && !isLast && isLike(items.get(index), next)) {
          yield items.get(index);
        }
        if (index < items.size()) {
          items.remove(index);
        }
        if (!(isLast && removes)) {
          items.add(index, next);
        }
        yield next;
      }
    };
  }

  private static int indexOf(YamlNode.Mapping mapping, String name) {
    for (int i = 0; i < mapping.entries().size(); i++) {
      if (mapping.entries().get(i).name().equals(name)) {
        return i;
      }
    }
    return -1;
  }

  private static boolean isLike(YamlNode present, YamlNode wanted) {
    return switch (wanted) {
      case YamlNode.Mapping _ -> present instanceof YamlNode.Mapping;
      case YamlNode.Sequence _ -> present instanceof YamlNode.Sequence;
      case YamlNode.Scalar _ -> false;
    };
  }
}
