package io.gradus.cli.spec;

/// One thing that is wrong with a spec: where, in which field, and what to do about it.
///
/// @param path field path such as `rollout.temperature`; empty when it concerns the whole spec
public record SpecFault(Origin origin, String path, String message) {

  /// The fault in one line: `examples/x.yaml:12: rollout.temprature: unknown field; …`.
  @Override
  public String toString() {
    return path.isEmpty() ? origin + ": " + message : origin + ": " + path + ": " + message;
  }
}
