package io.gradus.cli;

import io.gradus.run.v1.RunSpec;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/// Names of runs that nobody named.
final class RunIds {

  private static final DateTimeFormatter BEGUN =
      DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC);

  private RunIds() {}

  /// The spec's name and the second in which it began.
  static String of(RunSpec spec, Instant now) {
    return spec.getName() + "-" + BEGUN.format(now);
  }
}
