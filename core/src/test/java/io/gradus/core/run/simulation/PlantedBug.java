package io.gradus.core.run.simulation;

/// One way to break one sentence of the design: a snippet of a source file, and what replaces it.
///
/// @param name what the mutant does
/// @param sentence the sentence of section 3 of the design that it breaks
/// @param source below `io/gradus/core`, without `.java`
/// @param snippet must be there exactly once
record PlantedBug(String name, String sentence, String source, String snippet, String replacement) {

  /// The name of the class that the source declares.
  String className() {
    return "io.gradus.core." + source.replace('/', '.');
  }

  @Override
  public String toString() {
    return name;
  }
}
