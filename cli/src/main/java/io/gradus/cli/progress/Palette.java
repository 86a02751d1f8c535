package io.gradus.cli.progress;

/// How text is dressed: with ANSI colours, or not at all.
///
/// Each method returns its text unchanged when colour is off, so that what is shown without colour
/// is what is shown with it.
enum Palette {
  PLAIN,
  COLOR;

  /// Backgrounds of the 256-colour table from red over yellow to green, dark enough for white text.
  private static final int[] HEAT = {52, 88, 94, 100, 64, 28};

  String bold(String text) {
    return dressed("1", text);
  }

  String faint(String text) {
    return dressed("2", text);
  }

  String good(String text) {
    return dressed("32", text);
  }

  String bad(String text) {
    return dressed("31", text);
  }

  /// `text` on a background for `share`, 0 to 1.
  String heat(double share, String text) {
    int level = (int) Math.clamp(share * HEAT.length, 0, HEAT.length - 1);
    return dressed("97;48;5;" + HEAT[level], text);
  }

  private String dressed(String code, String text) {
    return this == COLOR ? "\u001b[" + code + "m" + text + "\u001b[0m" : text;
  }
}
