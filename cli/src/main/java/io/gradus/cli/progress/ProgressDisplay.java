package io.gradus.cli.progress;

import java.io.PrintStream;
import java.time.Duration;
import java.util.List;

/// Where progress goes. Called by the one thread that watches the run.
public sealed interface ProgressDisplay {

  /// Shows `frame`, the newest.
  void show(Frame frame);

  /// Says a thing that stays, above what is redrawn.
  void say(String line);

  /// Leaves the last frame standing.
  void finish();

  /// A block that is drawn over itself.
  ///
  /// @param columns width of the terminal
  static ProgressDisplay terminal(PrintStream out, int columns, boolean isColored) {
    return new Terminal(out, columns, isColored ? Palette.COLOR : Palette.PLAIN);
  }

  /// A line now and then.
  static ProgressDisplay lines(PrintStream out) {
    return new Lines(out);
  }

  /// Nothing: another part writes JSON.
  static ProgressDisplay none() {
    return new Silent();
  }

  /// Draws over its own lines; only the lines that it drew itself are ever erased.
  final class Terminal implements ProgressDisplay {

    private static final String ESCAPE = "\u001b[";

    private final PrintStream out;
    private final int columns;
    private final Palette palette;
    private List<String> drawn = List.of();

    private Terminal(PrintStream out, int columns, Palette palette) {
      this.out = out;
      this.columns = columns;
      this.palette = palette;
    }

    @Override
    public void show(Frame frame) {
      draw(Block.lines(frame, palette, columns), "");
    }

    @Override
    public void say(String line) {
      draw(drawn, line + "\n");
    }

    @Override
    public void finish() {
      drawn = List.of();
    }

    /// One write, so that a slow terminal does not show half a block.
    private void draw(List<String> lines, String above) {
      // Without line wrap: a line wider than the window would otherwise count as two going up.
      var text = new StringBuilder(ESCAPE + "?7l");
      if (!drawn.isEmpty()) {
        // Up to the first line of the block, to its beginning, and erase from there on.
        text.append(ESCAPE).append(drawn.size()).append("A\r").append(ESCAPE).append('J');
      }
      text.append(above);
      lines.forEach(line -> text.append(line).append('\n'));
      out.print(text.append(ESCAPE).append("?7h"));
      out.flush();
      drawn = lines;
    }
  }

  /// A line every few seconds, and one whenever the state, the digits or the confirmation change.
  final class Lines implements ProgressDisplay {

    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final PrintStream out;
    private String shownMilestone = "";
    private Duration shownAt = INTERVAL.negated();

    private Lines(PrintStream out) {
      this.out = out;
    }

    @Override
    public void show(Frame frame) {
      String milestone =
          "%s %s %s".formatted(frame.progress().getState(), frame.handled(), frame.confirmed());
      boolean isDue = frame.elapsed().minus(shownAt).compareTo(INTERVAL) >= 0;
      if (isDue || !milestone.equals(shownMilestone)) {
        out.println(PlainLine.of(frame));
        shownMilestone = milestone;
        shownAt = frame.elapsed();
      }
    }

    @Override
    public void say(String line) {
      out.println(line);
    }

    @Override
    public void finish() {}
  }

  /// Says nothing.
  final class Silent implements ProgressDisplay {
    private Silent() {}

    @Override
    public void show(Frame frame) {}

    @Override
    public void say(String line) {}

    @Override
    public void finish() {}
  }
}
