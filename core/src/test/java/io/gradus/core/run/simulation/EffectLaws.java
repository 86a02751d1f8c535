package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.run.Effect;
import java.util.HashSet;
import java.util.List;

/// What leaves is durable before it leaves (G2, G7).
final class EffectLaws {

  private final SimulatedRun world;
  private final ModelLedger ledger;

  EffectLaws(SimulatedRun world) {
    this.world = world;
    this.ledger = world.ledger().rows();
  }

  void released(Effect effect) {
    switch (effect) {
      case Effect.GrantLeases(_, var grants) -> grants.forEach(this::granted);
      case Effect.ReleaseBatch(var epoch, var batch, var uses) -> {
        world.witness().sent(epoch, batch);
        BatchRow row = ledger.batch(ModelLedger.BindingKey.of(batch)).orElse(batch);
        Violation.unless(
            ledger.batch(ModelLedger.BindingKey.of(batch)).isPresent()
                && row.digest().equals(batch.digest()),
            "G3: %s is sent before it is bound",
            batch);
        Violation.unless(
            ledger.uses(ModelLedger.BindingKey.of(batch)).stream()
                .map(UseRow::use)
                .toList()
                .equals(uses),
            "G3: %s is sent with other uses than it was bound with",
            batch);
        boolean isOpen = row.state() == BatchState.BOUND || row.state() == BatchState.APPLIED;
        if (isOpen && epoch.equals(ledger.learners().lastKey())) {
          uses.forEach(use -> payload(batch, use));
        }
      }
      case Effect.AnnounceVersion(_, var manifest) ->
          Violation.unless(
              ledger.versions().containsKey(manifest.version()),
              "G3: %s is announced before it is in the ledger",
              manifest);
      case Effect.AnswerPublish(_, var version, _) ->
          Violation.unless(
              ledger.versions().containsKey(version),
              "G3: %s is acknowledged before it is in the ledger",
              version);
      case Effect.AnswerJoin answer ->
          Violation.unless(
              ledger.learners().containsKey(answer.epoch()),
              "G7: %s is not in the ledger",
              answer.epoch());
      case Effect.DeleteCheckpoints(var versions) ->
          versions.forEach(row ->
              Violation.unless(
                  ledger.version(row.manifest().version()).filter(VersionRow::deleted).isPresent(),
                  "G7: %s is deleted before the ledger says so",
                  row));
      case Effect.EndRun(var state, _) ->
          Violation.unless(
              ledger.run().filter(run -> run.state() == state).isPresent(),
              "G2: the run ends before the ledger says so");
      case Effect.RevokeLeases _,
          Effect.EndSession _,
          Effect.AnswerSubmit _,
          Effect.Acknowledge _,
          Effect.Refuse _ -> {}
    }
  }

  private void granted(Effect.Grant grant) {
    LeaseRow lease = ledger.leases().get(grant.lease());
    Violation.unless(
        lease != null && lease.group().equals(grant.group()),
        "G7: %s is granted but not in the ledger",
        grant);
    GroupRow group = ledger.group(grant.group()).orElseThrow();
    Violation.unless(
        group.purpose() == grant.purpose()
            && group.task().equals(grant.task())
            && group.pinnedVersion().equals(grant.version())
            && List.copyOf(new HashSet<>(grant.members())).size() == group.size(),
        "G6: %s is not %s",
        grant,
        group);
  }

  private void payload(BatchRow batch, Use use) {
    Violation.unless(
        ledger.payload(use.group(), use.lease()).isPresent(),
        "G3: %s is sent, and the payload of %s is gone",
        batch,
        use);
  }

  /// A submit was answered: what was acknowledged is in the ledger.
  void answered(Submission submission, Effect.AnswerSubmit answer) {
    Witness.check(submission, answer.admission(), world.ledger().rows());
  }
}
