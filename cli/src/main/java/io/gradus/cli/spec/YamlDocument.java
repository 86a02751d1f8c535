package io.gradus.cli.spec;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.DocumentEndEvent;
import org.snakeyaml.engine.v2.events.DocumentStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.MappingEndEvent;
import org.snakeyaml.engine.v2.events.MappingStartEvent;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.events.SequenceEndEvent;
import org.snakeyaml.engine.v2.events.SequenceStartEvent;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.ReaderException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/// Turns YAML text into nodes that know their line, and refuses what nobody here has a use for.
///
/// It reads parser events rather than loading the document: nothing is constructed from tags, and
/// depth is counted before it is spent on the stack. Aliases are refused, not bounded: no file
/// needs them, and they are how a kilobyte becomes a gigabyte.
final class YamlDocument {

  static final int MAX_DEPTH = 20;
  static final int MAX_CHARACTERS = SpecFile.MAX_BYTES;

  private final IntFunction<Origin> originOfLine;
  private final Iterator<Event> events;

  private YamlDocument(Iterator<Event> events, IntFunction<Origin> originOfLine) {
    this.events = events;
    this.originOfLine = originOfLine;
  }

  /// The one document of `text`; empty when there is nothing but comments.
  ///
  /// @param originOfLine names a line, counted from 1
  static Optional<YamlNode> read(String text, IntFunction<Origin> originOfLine)
      throws SpecRefusedException {
    var settings = LoadSettings.builder().setCodePointLimit(MAX_CHARACTERS).build();
    try {
      var events = new Parse(settings).parseString(text).iterator();
      return new YamlDocument(events, originOfLine).document();
    } catch (MarkedYamlEngineException e) {
      int line = e.getProblemMark().map(mark -> mark.getLine() + 1).orElse(1);
      throw SpecRefusedException.of(
          originOfLine.apply(line),
          ("is not valid YAML here: %s; check indentation, colons and quotes of this line"
                  + " and the one before")
              .formatted(oneLine(e.getProblem())));
    } catch (ReaderException e) {
      throw SpecRefusedException.of(
          originOfLine.apply(lineOf(text, e.getPosition())),
          "holds the character U+%04X, which no YAML file may hold; is this a text file?"
              .formatted(e.getCodePoint()));
    } catch (YamlEngineException e) {
      throw SpecRefusedException.of(
          originOfLine.apply(1), "is not valid YAML: " + oneLine(String.valueOf(e.getMessage())));
    }
  }

  private Optional<YamlNode> document() throws SpecRefusedException {
    Optional<YamlNode> root = Optional.empty();
    boolean isFirst = true;
    while (events.hasNext()) {
      Event event = events.next();
      switch (event) {
        case DocumentStartEvent start -> {
          if (!isFirst) {
            throw refused(start, "a second document begins here; a file holds one");
          }
          isFirst = false;
        }
        case DocumentEndEvent _ -> {}
        case NodeEvent node -> root = Optional.of(node(node, 0));
        default -> {}
      }
    }
    return root.filter(node -> !(node instanceof YamlNode.Scalar scalar && scalar.isNull()));
  }

  private YamlNode node(Event event, int depth) throws SpecRefusedException {
    if (depth > MAX_DEPTH) {
      throw refused(
          event,
          "is nested more than %d levels deep, which nothing here needs".formatted(MAX_DEPTH));
    }
    return switch (event) {
      case AliasEvent alias ->
          throw refused(
              alias,
              "the alias *%s is refused; files are read without aliases, so write the value itself"
                  .formatted(alias.getAlias()));
      case ScalarEvent scalar -> {
        refuseTag(scalar, scalar.getTag());
        yield new YamlNode.Scalar(
            origin(scalar), scalar.getValue(), scalar.getScalarStyle() != ScalarStyle.PLAIN);
      }
      case SequenceStartEvent start -> {
        refuseTag(start, start.getTag());
        yield sequence(start, depth);
      }
      case MappingStartEvent start -> {
        refuseTag(start, start.getTag());
        yield mapping(start, depth);
      }
      default -> throw new IllegalStateException("a node cannot begin with " + event);
    };
  }

  private YamlNode.Sequence sequence(Event start, int depth) throws SpecRefusedException {
    List<YamlNode> items = new ArrayList<>();
    for (Event next = events.next(); !(next instanceof SequenceEndEvent); next = events.next()) {
      items.add(node(next, depth + 1));
    }
    return new YamlNode.Sequence(origin(start), items);
  }

  private YamlNode.Mapping mapping(Event start, int depth) throws SpecRefusedException {
    var entries = new ArrayList<YamlNode.Entry>();
    for (Event next = events.next(); !(next instanceof MappingEndEvent); next = events.next()) {
      if (!(node(next, depth + 1) instanceof YamlNode.Scalar name)) {
        throw refused(next, "a list or block stands where the name of a field is expected");
      }
      entries.add(new YamlNode.Entry(name.origin(), name.text(), node(events.next(), depth + 1)));
    }
    return new YamlNode.Mapping(origin(start), entries);
  }

  private void refuseTag(Event event, Optional<String> tag) throws SpecRefusedException {
    if (tag.isPresent() && !tag.get().equals("!")) {
      throw refused(event, "the tag %s is refused; leave it out".formatted(tag.get()));
    }
  }

  private Origin origin(Event event) {
    return originOfLine.apply(event.getStartMark().map(mark -> mark.getLine() + 1).orElse(1));
  }

  private SpecRefusedException refused(Event event, String message) {
    return SpecRefusedException.of(origin(event), message);
  }

  private static String oneLine(String text) {
    return text.strip().replaceAll("\\s+", " ");
  }

  private static int lineOf(String text, int position) {
    int line = 1;
    for (int i = 0; i < Math.min(position, text.length()); i++) {
      if (text.charAt(i) == '\n') {
        line++;
      }
    }
    return line;
  }
}
