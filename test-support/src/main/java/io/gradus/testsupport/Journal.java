package io.gradus.testsupport;

import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.Write;
import java.util.List;

/// Where a [ScriptedRun] keeps what was decided.
public interface Journal {

  /// Makes the writes of one decision durable.
  ///
  /// @param payloads those that the writes may admit
  void commit(List<Write> writes, List<SampledPayload> payloads);

  /// Takes the run over, as a new incarnation does, and reads its state.
  RunImage recover();
}
