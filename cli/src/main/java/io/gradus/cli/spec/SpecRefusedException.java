package io.gradus.cli.spec;

import java.util.List;
import java.util.stream.Collectors;

/// A spec that cannot be used, with everything that was found wrong with it.
public final class SpecRefusedException extends Exception {

  private static final long serialVersionUID = 1L;

  private final transient List<SpecFault> faults;

  SpecRefusedException(List<SpecFault> faults) {
    super(faults.stream().map(SpecFault::toString).collect(Collectors.joining("\n")));
    if (faults.isEmpty()) {
      throw new IllegalArgumentException("a refused spec has at least one fault");
    }
    this.faults = List.copyOf(faults);
  }

  static SpecRefusedException of(Origin origin, String message) {
    return new SpecRefusedException(List.of(new SpecFault(origin, "", message)));
  }

  /// What is wrong, in the order of the file; at most [SpecReader#MAX_FAULTS].
  public List<SpecFault> faults() {
    return faults;
  }
}
