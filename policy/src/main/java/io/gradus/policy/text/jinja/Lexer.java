package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Cuts a template into words, with `trim_blocks` and `lstrip_blocks` on, as transformers does: the
/// line end after a block goes, and so does the indentation before one.
final class Lexer {

  private static final Pattern RAW = Pattern.compile("\\{%[-+]?\\s*raw\\s*(-%\\}\\s*|%\\})");
  private static final Pattern END_RAW =
      Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(\\+%\\}|-%\\}\\s*|%\\}\\n?)");
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Pattern NUMBER =
      Pattern.compile("[0-9][0-9_]*(\\.[0-9]+)?([eE][+-]?[0-9]+)?");
  private static final Pattern OPERATOR =
      Pattern.compile("//|\\*\\*|==|!=|>=|<=|[-+*/%~<>=.:|,()\\[\\]{}]");

  private final String name;
  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;
  private int counted;
  private boolean startsLine = true;

  private Lexer(String name, String source) {
    this.name = name;
    this.source = source;
  }

  static List<Token> tokens(String name, String source) {
    String unix = source.replace("\r\n", "\n").replace('\r', '\n');
    var lexer = new Lexer(name, unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < source.length()) {
      int begin = nextTag();
      if (begin < 0) {
        add(Kind.TEXT, source.substring(at));
        at = source.length();
        break;
      }
      char kind = source.charAt(begin + 1);
      char modifier = begin + 2 < source.length() ? source.charAt(begin + 2) : ' ';
      text(source.substring(at, begin), modifier, kind != '{');
      at = begin;
      Matcher raw = matcher(RAW, begin);
      if (kind == '#') {
        comment();
      } else if (kind == '%' && raw.lookingAt()) {
        raw(raw.end());
      } else {
        boolean block = kind == '%';
        add(block ? Kind.BLOCK_BEGIN : Kind.OUTPUT_BEGIN, source.substring(begin, begin + 2));
        at += 2;
        if (modifier == '-' || (modifier == '+' && block)) {
          at++;
        }
        expression(block);
      }
    }
    add(Kind.END, "");
  }

  private int nextTag() {
    for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /// Text before a tag that begins with this modifier.
  private void text(String text, char modifier, boolean stripsIndent) {
    String kept = text;
    if (modifier == '-') {
      kept = text.stripTrailing();
    } else if (modifier != '+' && stripsIndent) {
      int lineStart = text.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || startsLine) && text.substring(lineStart).isBlank()) {
        kept = text.substring(0, lineStart);
      }
    }
    if (!kept.isEmpty()) {
      add(Kind.TEXT, kept);
    }
  }

  private void comment() {
    int end = source.indexOf("#}", at + 2);
    if (end < 0) {
      throw problem("the comment has no end '#}'");
    }
    char modifier = end > at + 1 ? source.charAt(end - 1) : ' ';
    at = end + 2;
    skipAfterTag(modifier, true);
  }

  private void raw(int begin) {
    Matcher end = matcher(END_RAW, begin);
    if (!end.find()) {
      throw problem("raw has no endraw");
    }
    String modifier = end.group(1);
    startsLine = false;
    text(source.substring(begin, end.start()), modifier.isEmpty() ? ' ' : modifier.charAt(0), true);
    at = end.end();
    startsLine = source.charAt(at - 1) == '\n';
  }

  /// White space after a tag.
  private void skipAfterTag(char modifier, boolean trimsLine) {
    int begin = at;
    if (modifier == '-') {
      while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
        at++;
      }
    } else if (modifier != '+' && trimsLine && at < source.length() && source.charAt(at) == '\n') {
      at++;
    }
    startsLine = at > begin && source.charAt(at - 1) == '\n';
  }

  private void expression(boolean block) {
    String end = block ? "%}" : "}}";
    var open = new StringBuilder();
    while (true) {
      while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
        at++;
      }
      if (at == source.length()) {
        throw problem("the tag has no end '%s'".formatted(end));
      }
      char c = source.charAt(at);
      if (open.isEmpty()) {
        boolean modified = (c == '-' || (c == '+' && block)) && source.startsWith(end, at + 1);
        if (modified || source.startsWith(end, at)) {
          add(block ? Kind.BLOCK_END : Kind.OUTPUT_END, end);
          at += modified ? 3 : 2;
          skipAfterTag(modified ? c : ' ', block);
          return;
        }
      }
      word(c, open);
    }
  }

  private void word(char c, StringBuilder open) {
    if (c == '"' || c == '\'') {
      string(c);
      return;
    }
    Matcher word = matcher(NAME, at);
    Kind kind = Kind.NAME;
    if (!word.lookingAt()) {
      word = matcher(NUMBER, at);
      kind = Kind.INTEGER;
    }
    if (!word.lookingAt()) {
      word = matcher(OPERATOR, at);
      kind = Kind.OPERATOR;
    }
    if (!word.lookingAt()) {
      throw problem("unexpected character '%s'".formatted(c));
    }
    String text = word.group();
    if (kind == Kind.INTEGER && (word.group(1) != null || word.group(2) != null)) {
      kind = Kind.FLOAT;
    }
    if (kind == Kind.OPERATOR) {
      balance(c, open);
    }
    add(kind, text);
    at = word.end();
  }

  private void balance(char c, StringBuilder open) {
    if ("([{".indexOf(c) >= 0) {
      open.append(c);
    } else if (")]}".indexOf(c) >= 0) {
      int last = open.length() - 1;
      if (last < 0 || "([{".indexOf(open.charAt(last)) != ")]}".indexOf(c)) {
        throw problem("unexpected '%s'".formatted(c));
      }
      open.setLength(last);
    }
  }

  private void string(char quote) {
    var text = new StringBuilder();
    int i = at + 1;
    while (i < source.length() && source.charAt(i) != quote) {
      char c = source.charAt(i++);
      if (c == '\\' && i < source.length()) {
        i = escape(text, i);
      } else {
        text.append(c);
      }
    }
    if (i == source.length()) {
      throw problem("the string has no end");
    }
    add(Kind.STRING, text.toString());
    at = i + 1;
  }

  /// As Python reads them; an escape that it does not know stays as it is.
  private int escape(StringBuilder text, int i) {
    char c = source.charAt(i);
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      try {
        text.appendCodePoint(Integer.parseInt(source.substring(i + 1, i + 1 + digits), 16));
      } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
        throw problem("the escape \\%s needs %d hexadecimal digits".formatted(c, digits));
      }
      return i + 1 + digits;
    }
    switch (c) {
      case 'n' -> text.append('\n');
      case 't' -> text.append('\t');
      case 'r' -> text.append('\r');
      case 'b' -> text.append('\b');
      case 'f' -> text.append('\f');
      case '0' -> text.append('\0');
      case '\\', '\'', '"' -> text.append(c);
      case '\n' -> {}
      default -> text.append('\\').append(c);
    }
    return i + 1;
  }

  private Matcher matcher(Pattern pattern, int from) {
    return pattern.matcher(source).region(from, source.length());
  }

  private void add(Kind kind, String text) {
    tokens.add(new Token(kind, text, line()));
  }

  private int line() {
    for (; counted < at; counted++) {
      if (source.charAt(counted) == '\n') {
        line++;
      }
    }
    return line;
  }

  private JinjaException problem(String problem) {
    return new JinjaException(name, line(), problem);
  }
}
