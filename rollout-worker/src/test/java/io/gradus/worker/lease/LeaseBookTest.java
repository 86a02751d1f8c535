package io.gradus.worker.lease;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import io.gradus.worker.lease.LeaseBook.Want;
import io.gradus.worker.lease.LeaseBook.Work;
import io.gradus.worker.run.Assignments;
import io.gradus.worker.run.RunAssignment;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class LeaseBookTest {

  private static final String RUN = "run-1";

  private final LeaseBook book = new LeaseBook(4, 4);

  @BeforeEach
  void assign() {
    book.assign(Assignments.free(RUN));
  }

  private static PolicyVersion version(long value) {
    return new PolicyVersion(value);
  }

  private static Manifest manifest(long version) {
    return new Manifest(
        version(version),
        version,
        Optional.empty(),
        "file:///elsewhere/v" + version,
        List.of(new Manifest.CheckpointFile("model.safetensors", 1, "0".repeat(64))),
        Lineage.root(),
        false);
  }

  private void announce(long version) {
    book.announce(RUN, manifest(version), List.of("http://learner/v" + version));
  }

  private static LeasedGroup group(RunAssignment run, long id, long pinned) {
    return new LeasedGroup(
        run,
        new GroupId(id),
        new LeaseId(id),
        new Task(0, 2, id),
        pinned == 0 ? GroupPurpose.TRAINING : GroupPurpose.EVALUATION,
        List.of(0),
        pinned == 0 ? Optional.empty() : Optional.of(version(pinned)));
  }

  private void grant(long id, long pinned) {
    assertThat(book.grant(List.of(group(Assignments.free(RUN), id, pinned)))).isEmpty();
  }

  private List<Long> wanted() {
    return book.wants().stream()
        .map(Want::manifest)
        .map(manifest -> manifest.version().value())
        .toList();
  }

  private List<Long> sampled() throws InterruptedException {
    return ((Work.Sample) book.take())
        .groups().stream().map(group -> group.group().value()).toList();
  }

  @Test
  void wantsTheNewestVersionAlone() {
    announce(1);
    announce(2);

    assertThat(wanted()).containsExactly(2L);
    assertThat(book.wants().getFirst().sources()).containsExactly("http://learner/v2");
  }

  @Test
  void wantsAnOlderVersionThatALeasePins() {
    announce(1);
    announce(2);
    book.arrived(RUN, manifest(2));

    grant(5, 1);

    assertThat(wanted()).containsExactly(1L);
  }

  @Test
  void loadsAVersionWhenItsFilesAreHereAndNotBefore() throws Exception {
    announce(1);
    book.arrived(RUN, manifest(1));
    announce(2);

    assertThat(((Work.Load) book.take()).manifest().version()).isEqualTo(version(1));

    book.loaded(RUN, Set.of(version(1)));
    grant(5, 0);
    assertThat(sampled()).as("with the older version").containsExactly(5L);

    book.arrived(RUN, manifest(2));
    assertThat(((Work.Load) book.take()).manifest().version()).isEqualTo(version(2));
  }

  @Test
  void letsOthersPassAGroupWhoseVersionIsNotHere() throws Exception {
    announce(1);
    announce(2);
    book.arrived(RUN, manifest(2));
    var _ = (Work.Load) book.take();

    grant(5, 1);
    grant(6, 0);

    assertThat(sampled()).containsExactly(6L);
    book.arrived(RUN, manifest(1));
    assertThat(sampled()).containsExactly(5L);
  }

  @Test
  void asksForNoLeasesUntilTheFirstWeightsAreHere() {
    assertThat(book.standing(0).credits()).as("nothing was published yet").isEqualTo(8);

    announce(1);
    assertThat(book.standing(0).credits()).isZero();

    book.arrived(RUN, manifest(1));
    assertThat(book.standing(0).credits()).isEqualTo(8);
  }

  @Test
  void offersAVersionAgainThatCouldNotBeLoaded() throws Exception {
    announce(1);
    book.arrived(RUN, manifest(1));
    var _ = (Work.Load) book.take();

    book.loadFailed(RUN, version(1));

    assertThat(book.wants().getFirst().failedLoads()).isEqualTo(1);
    book.arrived(RUN, manifest(1));
    assertThat(((Work.Load) book.take()).manifest().version()).isEqualTo(version(1));
  }

  @Test
  void letsGoOfWhatNobodyNeedsAlone() {
    for (long version = 1; version <= 5; version++) {
      announce(version);
      if (version < 5) {
        book.arrived(RUN, manifest(version));
      }
    }
    book.loaded(RUN, Set.of(version(1)));
    grant(9, 2);

    assertThat(book.letGo(RUN, version(1))).as("loaded").isFalse();
    assertThat(book.letGo(RUN, version(2))).as("pinned").isFalse();
    assertThat(book.letGo(RUN, version(4))).as("the newest that is here").isFalse();
    assertThat(book.letGo(RUN, version(5))).as("the newest").isFalse();
    assertThat(book.letGo(RUN, version(3))).isTrue();
    assertThat(book.manifest(RUN, version(3))).isEmpty();
    assertThat(book.letGo("another-run", version(1))).isTrue();
  }

  @Test
  void pinsALockstepGroupToWhatWasAnnouncedWhetherItIsHereOrNot() throws Exception {
    RunAssignment lockstep = Assignments.lockstep("run-2");
    book.assign(lockstep);
    book.announce("run-2", manifest(1), List.of());
    assertThat(book.grant(List.of(group(lockstep, 5, 0)))).isEmpty();
    book.announce("run-2", manifest(2), List.of());

    book.arrived("run-2", manifest(2));
    book.arrived("run-2", manifest(1));

    LeasedGroup taken = ((Work.Sample) book.take()).groups().getFirst();
    assertThat(taken.pinned()).hasValue(version(1));
  }
}
