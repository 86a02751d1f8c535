package io.gradus.core.task;

import io.gradus.core.group.GroupPurpose;

/// Tasks of one kind, in strata of like difficulty. A problem is a pure function of the family, its
/// version, a seed, a purpose, a stratum and an index.
///
/// What each purpose draws comes from a stream of its own, so that held-out sets are independent of
/// what is trained on; in strata with few problems at all (one digit has 100 sums) the same problem
/// naturally turns up in several. TRAINING and RATIONALIZATION share a stream, so that a problem
/// that failed can be given again, under the same index, with the answer as a hint.
public sealed interface TaskFamily permits Addition, Multiplication, WithHints {

  /// Names family and format, and all that shapes the text, such as `addition/direct` or
  /// `multiplication/1/carry/with-hints`. [#named] reads it back.
  String generator();

  /// Version of the generator, from 1; a change to any problem or gold text of a version is a new
  /// version.
  int version();

  ArithmeticFormat format();

  /// Problem `index` of a stratum.
  Problem problem(long seed, GroupPurpose purpose, int stratum, long index);

  /// Gold text `index` of a stratum, from a stream that no purpose shares.
  GoldText gold(long seed, int stratum, long index);

  /// Characters of the longest right completion of a stratum that follows the gold format, EOS not
  /// counted.
  int goldLength(int stratum);

  /// Token limit of a stratum where the spec sets none: what the gold completion needs with EOS,
  /// and 3, so that an answer that is too long is seen to be.
  default int maxCompletionTokens(int stratum) {
    return goldLength(stratum) + 1 + 3;
  }

  /// The family of a generator's name.
  ///
  /// @throws IllegalArgumentException if this build has no such generator in that version
  static TaskFamily named(String generator, int version) {
    String plain = WithHints.plainName(generator);
    TaskFamily family = plain.equals(generator) ? parse(generator) : new WithHints(parse(plain));
    if (family.version() != version) {
      throw new IllegalArgumentException(
          "generator %s has version %d here, but version %d is asked for; use the build that wrote"
                  .formatted(generator, family.version(), version)
              + " it");
    }
    return family;
  }

  private static TaskFamily parse(String generator) {
    for (ArithmeticFormat format : Addition.FORMATS) {
      if (generator.equals(Addition.name(format))) {
        return new Addition(format);
      }
    }
    for (int digits = 1; digits <= Multiplication.MAX_SECOND_DIGITS; digits++) {
      for (ArithmeticFormat format : ArithmeticFormat.values()) {
        if (generator.equals(Multiplication.name(digits, format))) {
          return new Multiplication(digits, format);
        }
      }
    }
    throw new IllegalArgumentException(
        "unknown generator \"%s\"; known are addition/direct, addition/carry, and"
                .formatted(generator)
            + " multiplication/DIGITS/FORMAT such as multiplication/1/carry");
  }
}
