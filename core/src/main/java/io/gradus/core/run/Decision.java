package io.gradus.core.run;

import io.gradus.core.ledger.Write;
import java.util.List;

/// What follows from an input: first the writes, in one transaction, then the effects.
public record Decision(List<Write> writes, List<Effect> effects) {

  public Decision {
    writes = List.copyOf(writes);
    effects = List.copyOf(effects);
  }
}
