package io.gradus.core.batch;

/// Gold text named by generator, version, seed and range: anybody can make it again.
///
/// @param generator such as `addition/direct`
/// @param source task source in the spec
/// @param firstIndex first sequence; the range holds `count` of them
/// @param firstStratum strata are drawn uniformly from this one to `lastStratum`
public record GoldRange(
    String generator,
    int generatorVersion,
    int source,
    long seed,
    long firstIndex,
    int count,
    int firstStratum,
    int lastStratum) {

  public GoldRange {
    if (generatorVersion < 1
        || source < 0
        || firstIndex < 0
        || count < 1
        || firstStratum < 1
        || lastStratum < firstStratum) {
      throw new IllegalArgumentException(
          "impossible gold range: %s v%d, source %d, %d sequences from %d, strata %d..%d"
              .formatted(
                  generator,
                  generatorVersion,
                  source,
                  count,
                  firstIndex,
                  firstStratum,
                  lastStratum));
    }
  }

  /// One line that names the range, for digests.
  public String canonical() {
    return "%s v%d source %d seed %d sequences %d+%d strata %d..%d"
        .formatted(
            generator,
            generatorVersion,
            source,
            seed,
            firstIndex,
            count,
            firstStratum,
            lastStratum);
  }
}
