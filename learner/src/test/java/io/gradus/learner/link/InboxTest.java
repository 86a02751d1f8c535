package io.gradus.learner.link;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.gradus.learner.Batches;
import io.gradus.learner.batch.BatchReader;
import io.gradus.learner.link.Inbox.Arrival;
import io.gradus.learner.objective.Star;
import io.grpc.Status;
import org.junit.jupiter.api.Test;

class InboxTest {

  private static final Arrival BROKEN = new Arrival.Broken(Status.UNAVAILABLE.asException());

  private final Inbox inbox = new Inbox();
  private final BatchStream stream = stream();

  InboxTest() {
    inbox.beginSession(5);
    inbox.listenTo(stream, 3);
  }

  private BatchStream stream() {
    return new BatchStream(inbox, new BatchReader("run-1", Batches.VOCABULARY, Star.likelihood()));
  }

  private static Arrival batch(long number) {
    return new Arrival.Refused(number, ByteString.EMPTY, "");
  }

  private Arrival next() throws InterruptedException {
    return inbox.take(0);
  }

  @Test
  void givesBatchesInOrderAndThenTheEndOfTheirStreamOnce() throws InterruptedException {
    inbox.received(stream, 5, batch(5));
    inbox.received(stream, 6, batch(6));
    inbox.streamEnded(stream, BROKEN);

    assertThat(next()).isEqualTo(batch(5));
    assertThat(next()).isEqualTo(batch(6));
    assertThat(next()).isEqualTo(BROKEN);
    assertThat(next()).isEqualTo(new Arrival.Nothing());
  }

  @Test
  void putsWhatIsUrgentFirst() throws InterruptedException {
    inbox.received(stream, 5, batch(5));
    inbox.drain();
    assertThat(next()).isEqualTo(new Arrival.Draining());

    inbox.streamEnded(stream, new Arrival.RunEnded());
    assertThat(next()).isEqualTo(new Arrival.RunEnded());

    var failure = new IllegalStateException("first");
    inbox.fail(failure);
    inbox.fail(new IllegalStateException("second"));
    assertThat(next()).isEqualTo(new Arrival.Failed(failure));
    assertThat(next()).isEqualTo(new Arrival.RunEnded());

    inbox.close();
    assertThat(next()).isEqualTo(new Arrival.Closed());
    assertThat(inbox.awaitClosed(0)).isTrue();
  }

  @Test
  void listensToTheNewestStreamAlone() throws InterruptedException {
    inbox.received(stream, 5, batch(5));
    BatchStream newer = stream();

    Inbox.Room room = inbox.listenTo(newer, 3);

    assertThat(room).as("one of three lies here").isEqualTo(new Inbox.Room(6, 2));
    inbox.heard(stream);
    inbox.received(stream, 6, batch(6));
    inbox.streamEnded(stream, BROKEN);
    assertThat(inbox.takeHeard()).isFalse();
    assertThat(next()).isEqualTo(batch(5));
    assertThat(next()).isEqualTo(new Arrival.Nothing());
    inbox.heard(newer);
    assertThat(inbox.takeHeard()).isTrue();
    assertThat(inbox.takeHeard()).isFalse();
  }

  @Test
  void remembersTheFirstEndOfAStream() throws InterruptedException {
    inbox.streamEnded(stream, BROKEN);
    inbox.streamEnded(stream, new Arrival.Broken(Status.CANCELLED.asException()));

    assertThat(next()).isEqualTo(BROKEN);
  }

  @Test
  void forgetsTheSessionBefore() throws InterruptedException {
    inbox.received(stream, 5, batch(5));
    inbox.fail(new IllegalStateException("old"));

    inbox.beginSession(3);

    assertThat(next()).isEqualTo(new Arrival.Nothing());
    inbox.received(stream, 6, batch(6));
    assertThat(next()).isEqualTo(new Arrival.Nothing());
    assertThat(inbox.listenTo(stream(), 3)).isEqualTo(new Inbox.Room(3, 3));
  }
}
