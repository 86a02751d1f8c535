package io.gradus.cli.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.MapEntry;
import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// Messages as JSON for scripts: field names of the proto, numbers as numbers, a duration as
/// seconds under a name that says so, zeros written out.
///
/// Not the canonical JSON form of protobuf, which writes 64-bit numbers as text and leaves zeros
/// out; a table of metrics wants neither.
public final class ProtoJson {

  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private ProtoJson() {}

  /// The fields of `message`, in the order of the schema.
  public static ObjectNode of(Message message) {
    ObjectNode object = JSON.objectNode();
    for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
      if (field.isMapField()) {
        object.set(field.getName(), map(message, field));
      } else if (field.isRepeated()) {
        ArrayNode items = object.putArray(field.getName());
        for (Object item : (List<?>) message.getField(field)) {
          put(items.addObject(), field, item);
        }
        object.set(field.getName(), unwrapped(items, field));
      } else if (!field.hasPresence() || message.hasField(field)) {
        put(object, field, message.getField(field));
      }
    }
    return object;
  }

  private static ObjectNode map(Message message, FieldDescriptor field) {
    ObjectNode map = JSON.objectNode();
    FieldDescriptor valueField = field.getMessageType().findFieldByName("value");
    for (Object item : (List<?>) message.getField(field)) {
      if (item instanceof MapEntry<?, ?> entry) {
        ObjectNode holder = JSON.objectNode();
        put(holder, valueField, entry.getValue());
        map.set(String.valueOf(entry.getKey()), holder.get("value"));
      }
    }
    ObjectNode sorted = JSON.objectNode();
    map.properties().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(entry -> sorted.set(entry.getKey(), entry.getValue()));
    return sorted;
  }

  /// Items were put as `{name: value}`, so that one method knows how to write each type.
  private static ArrayNode unwrapped(ArrayNode items, FieldDescriptor field) {
    ArrayNode plain = JSON.arrayNode();
    items.forEach(item -> plain.add(item.get(field.getName())));
    return plain;
  }

  private static void put(ObjectNode object, FieldDescriptor field, Object value) {
    String name = field.getName();
    switch (value) {
      case Integer number -> object.put(name, number);
      case Long number -> object.put(name, number);
      case Double number -> object.put(name, finite(number));
      case Boolean flag -> object.put(name, flag);
      case String text -> object.put(name, text);
      case EnumValueDescriptor choice -> object.put(name, enumName(choice));
      case Duration duration ->
          object.put(name + "_seconds", duration.getSeconds() + duration.getNanos() / 1e9);
      case Timestamp timestamp ->
          object.put(
              name, Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos()).toString());
      case Message block -> object.set(name, of(block));
      default -> throw new IllegalStateException("no JSON for " + field.getFullName());
    }
  }

  /// JSON has no word for these; a reader of metrics wants a number, and a loss of 1e308 is plain.
  private static double finite(double number) {
    return Double.isFinite(number) ? number : number > 0 ? Double.MAX_VALUE : -Double.MAX_VALUE;
  }

  private static String enumName(EnumValueDescriptor choice) {
    String prefix =
        choice.getType().getName().replaceAll("([a-z0-9])([A-Z])", "$1_$2").toUpperCase(Locale.ROOT)
            + "_";
    return choice.getName().startsWith(prefix)
        ? choice.getName().substring(prefix.length())
        : choice.getName();
  }
}
