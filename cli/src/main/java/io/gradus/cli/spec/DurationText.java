package io.gradus.cli.spec;

import com.google.protobuf.Duration;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Optional;
import java.util.regex.Pattern;

/// Durations as people write them: `15s`, `10m`, `1h30m`, `250ms`, `1.5h`.
public final class DurationText {

  private static final BigInteger NANOS_A_SECOND = BigInteger.valueOf(1_000_000_000);

  /// One number with its unit. `ms` stands before `m` so that it is tried first.
  private static final Pattern PART =
      Pattern.compile("([0-9]{1,15}(?:\\.[0-9]{1,9})?)(ns|us|ms|s|m|h|d)");

  private static final Pattern WHOLE = Pattern.compile("(?:" + PART.pattern() + "){1,6}");

  private DurationText() {}

  /// The duration, or empty when `text` is none.
  public static Optional<Duration> parse(String text) {
    if (!WHOLE.matcher(text).matches()) {
      return Optional.empty();
    }
    BigDecimal nanos = BigDecimal.ZERO;
    var part = PART.matcher(text);
    while (part.find()) {
      nanos = nanos.add(new BigDecimal(part.group(1)).multiply(nanosOf(part.group(2))));
    }
    BigInteger[] parts = nanos.toBigInteger().divideAndRemainder(NANOS_A_SECOND);
    // The range of google.protobuf.Duration is 10,000 years.
    if (parts[0].bitLength() > 38) {
      return Optional.empty();
    }
    return Optional.of(
        Duration.newBuilder()
            .setSeconds(parts[0].longValueExact())
            .setNanos(parts[1].intValueExact())
            .build());
  }

  /// The shortest text that [#parse] turns back into `duration`, which is not negative.
  public static String of(Duration duration) {
    if (duration.getNanos() != 0) {
      if (duration.getNanos() % 1_000_000 == 0) {
        return Math.addExact(
                Math.multiplyExact(duration.getSeconds(), 1000L), duration.getNanos() / 1_000_000)
            + "ms";
      }
      return BigDecimal.valueOf(duration.getSeconds())
              .add(BigDecimal.valueOf(duration.getNanos(), 9))
              .stripTrailingZeros()
              .toPlainString()
          + "s";
    }
    long seconds = duration.getSeconds();
    if (seconds != 0 && seconds % 3600 == 0) {
      return seconds / 3600 + "h";
    }
    if (seconds != 0 && seconds % 60 == 0) {
      return seconds / 60 + "m";
    }
    return seconds + "s";
  }

  private static BigDecimal nanosOf(String unit) {
    return switch (unit) {
      case "ns" -> BigDecimal.ONE;
      case "us" -> BigDecimal.valueOf(1_000);
      case "ms" -> BigDecimal.valueOf(1_000_000);
      case "s" -> BigDecimal.valueOf(1_000_000_000L);
      case "m" -> BigDecimal.valueOf(60_000_000_000L);
      case "h" -> BigDecimal.valueOf(3_600_000_000_000L);
      case "d" -> BigDecimal.valueOf(86_400_000_000_000L);
      default -> throw new IllegalArgumentException("unknown unit " + unit);
    };
  }
}
