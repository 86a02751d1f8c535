package io.gradus.coordinator.run;

import io.gradus.coordinator.wire.OnTheWire;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.run.Effect;
import java.util.List;

/// What a run tells the stream of a worker. `epoch` orders the incarnations of the run: what an
/// older one still says is ignored.
public sealed interface ToWorker extends OnTheWire {

  String runId();

  long epoch();

  /// The session under which the worker is known.
  record Admitted(String runId, long epoch, SessionId session) implements ToWorker {}

  /// This incarnation does not know the session, or not any more: join again, if there are slots
  /// for the run.
  record UnknownSession(String runId, long epoch) implements ToWorker {}

  /// Groups to sample.
  record Granted(String runId, long epoch, List<Effect.Grant> grants) implements ToWorker {

    public Granted {
      grants = List.copyOf(grants);
    }
  }

  /// Leases that are lost.
  record Revoked(String runId, long epoch, List<LeaseId> leases, String message)
      implements ToWorker {

    public Revoked {
      leases = List.copyOf(leases);
    }
  }

  /// Newer weights; the same again when their files can be had from elsewhere.
  ///
  /// @param sources HTTP URIs of the checkpoint's directory, the first one to be asked first
  record VersionAnnounced(String runId, long epoch, Manifest manifest, List<String> sources)
      implements ToWorker {

    public VersionAnnounced {
      // A node of the previous build sends none.
      sources = sources == null ? List.of() : List.copyOf(sources);
    }
  }

  /// The run is over.
  record RunEnded(String runId, long epoch) implements ToWorker {}

  /// Another stream of the same worker joined.
  record Superseded(String runId, long epoch) implements ToWorker {}
}
