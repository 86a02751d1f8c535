package io.gradus.testsupport;

import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/// Takes leases and submits groups; now and then it dies, hangs, gives a lease back, submits too
/// late, twice, or with members missing.
final class ScriptedWorker {

  private static final int SLOTS = 16;
  private static final int LATE_KEPT = 8;

  private final WorkerId id;
  private final ScriptedSampler sampler;
  private final RandomGenerator random;
  private final Supplier<RequestId> requests;
  private final Map<LeaseId, Effect.Grant> held = new LinkedHashMap<>();
  private final List<Effect.Grant> lost = new ArrayList<>();
  private final List<SampledPayload> sent = new ArrayList<>();
  private SessionId session;
  private Optional<PolicyVersion> version = Optional.empty();
  private long progress;

  ScriptedWorker(
      WorkerId id,
      SessionId session,
      ScriptedSampler sampler,
      RandomGenerator random,
      Supplier<RequestId> requests) {
    this.id = id;
    this.session = session;
    this.sampler = sampler;
    this.random = random;
    this.requests = requests;
  }

  SessionId session() {
    return session;
  }

  /// Joins under a new session.
  ///
  /// @param remembers whether it still has what it was sampling
  Input join(SessionId newer, boolean remembers) {
    session = newer;
    if (!remembers) {
      lost.addAll(held.values());
      held.clear();
    }
    while (lost.size() > LATE_KEPT) {
      lost.removeFirst();
    }
    return new Input.WorkerJoined(session, id, SLOTS);
  }

  Input heartbeat() {
    progress++;
    var named = new TreeMap<LeaseId, Long>();
    held.keySet().forEach(lease -> named.put(lease, progress));
    return new Input.Heartbeat(session, Math.max(0, SLOTS - held.size()), named);
  }

  /// What it submits or gives back next.
  List<Action> act() {
    var actions = new ArrayList<Action>();
    int groups = random.nextInt(4);
    for (int count = 0; count < groups && version.isPresent() && !held.isEmpty(); count++) {
      Effect.Grant grant = held.values().iterator().next();
      held.remove(grant.lease());
      int luck = random.nextInt(100);
      if (luck < 3) {
        // It hangs: the lease is named no more, and runs out.
        lost.add(grant);
      } else if (luck < 5) {
        actions.add(
            new Action(
                new Input.GroupFailed(session, grant.group(), grant.lease()), Optional.empty()));
      } else {
        int size = grant.members().size();
        int members = luck < 8 ? Math.max(1, size / 4) : luck < 20 ? (3 * size + 3) / 4 : size;
        SampledPayload payload =
            sampler.sample(grant, members, grant.version().orElse(version.get()));
        actions.add(submission(payload));
        sent.add(payload);
      }
    }
    if (random.nextInt(12) == 0 && !lost.isEmpty() && version.isPresent()) {
      Effect.Grant late = lost.removeFirst();
      actions.add(
          submission(
              sampler.sample(late, late.members().size(), late.version().orElse(version.get()))));
    }
    if (random.nextInt(12) == 0 && !sent.isEmpty()) {
      actions.add(submission(sent.getLast()));
    }
    while (sent.size() > LATE_KEPT) {
      sent.removeFirst();
    }
    return actions;
  }

  /// An input, with the payload that waits beside it.
  record Action(Input input, Optional<SampledPayload> payload) {}

  private Action submission(SampledPayload payload) {
    return new Action(
        new Input.GroupSubmitted(
            requests.get(),
            payload.group(),
            payload.lease(),
            payload.digest(),
            payload.oldestVersion(),
            payload.outcomes()),
        Optional.of(payload));
  }

  /// Hears an effect; what it says to it at once.
  Optional<Input> hear(Effect effect) {
    switch (effect) {
      case Effect.GrantLeases granted -> {
        if (granted.session().equals(session)) {
          granted.grants().forEach(grant -> held.put(grant.lease(), grant));
        }
      }
      case Effect.RevokeLeases revoked -> {
        if (revoked.session().equals(session)) {
          revoked.leases().forEach(held::remove);
        }
      }
      case Effect.AnnounceVersion announced -> {
        if (announced.session().isEmpty() || announced.session().equals(Optional.of(session))) {
          version = Optional.of(announced.manifest().version());
          return Optional.of(new Input.VersionLoaded(session, announced.manifest().version()));
        }
      }
      case Effect.EndSession _,
          Effect.AnswerSubmit _,
          Effect.AnswerJoin _,
          Effect.ReleaseBatch _,
          Effect.AnswerPublish _,
          Effect.Acknowledge _,
          Effect.Refuse _,
          Effect.DeleteCheckpoints _,
          Effect.EndRun _ -> {}
    }
    return Optional.empty();
  }
}
