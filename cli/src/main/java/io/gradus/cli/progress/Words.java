package io.gradus.cli.progress;

import java.time.Duration;
import java.util.Locale;

/// Numbers and times as people read them.
public final class Words {

  private Words() {}

  /// `4.2s`, `1m 05s`, `2h 03m`.
  public static String of(Duration duration) {
    long seconds = duration.toSeconds();
    if (seconds < 10) {
      return String.format(Locale.ROOT, "%.1fs", duration.toMillis() / 1000.0);
    }
    if (seconds < 60) {
      return seconds + "s";
    }
    if (seconds < 3600) {
      return String.format(Locale.ROOT, "%dm %02ds", seconds / 60, seconds % 60);
    }
    return String.format(Locale.ROOT, "%dh %02dm", seconds / 3600, seconds / 60 % 60);
  }

  /// `7.3`, `182`, `5.3k`, `1.2M`.
  public static String rate(double number) {
    if (number < 10) {
      return String.format(Locale.ROOT, "%.1f", number);
    }
    if (number < 1000) {
      return String.format(Locale.ROOT, "%.0f", number);
    }
    return number < 1e6
        ? String.format(Locale.ROOT, "%.1fk", number / 1e3)
        : String.format(Locale.ROOT, "%.1fM", number / 1e6);
  }

  /// `24,811`.
  public static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  /// A share as a whole percentage, without a sign; 100 only when it is whole, 0 only when nothing.
  public static int percent(double share) {
    int rounded = (int) Math.round(share * 100);
    if (rounded == 100 && share < 1) {
      return 99;
    }
    return rounded == 0 && share > 0 ? 1 : rounded;
  }
}
