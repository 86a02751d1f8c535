package io.gradus.learner.batch;

import com.google.protobuf.ByteString;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.BatchSource;
import io.gradus.learner.v1.PayloadFrame;
import io.gradus.learner.v1.PayloadPart;
import io.gradus.learner.v1.StreamBatchesResponse;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Puts batches together from a stream of headers and frames. One stream, one thread at a time.
///
/// A message that cannot follow the one before is the stream's fault, not the batch's: it is thrown
/// as IllegalStateException, and whoever reads the stream opens it anew.
public final class BatchAssembly {

  /// More than fits into memory beside a model; a header that says more is not believed.
  private static final long MAX_PAYLOAD_BYTES = 1L << 32;

  /// A whole batch as received.
  ///
  /// @param payloads payloads by group
  public record Assembled(BatchHeader header, Map<Long, ReceivedPayload> payloads) {}

  /// A payload and the digest that was sent with it.
  public record ReceivedPayload(ByteString data, ByteString sha256) {}

  private final long first;
  private long next;
  private Optional<Open> open = Optional.empty();

  /// @param from number of the batch that comes first
  public BatchAssembly(long from) {
    first = from;
    next = from;
  }

  /// The number of the first batch that has not been received whole.
  public long next() {
    return next;
  }

  /// Takes a message; the batch that it completes, if it does.
  public Optional<Assembled> accept(StreamBatchesResponse message) {
    switch (message.getKindCase()) {
      case HEADER -> begin(message.getHeader());
      case FRAME -> add(message.getFrame());
      case KIND_NOT_SET ->
          throw new IllegalStateException(
              "a message of %d bytes is of a kind that this build does not know"
                  .formatted(message.getSerializedSize()));
    }
    Optional<Open> whole = open.filter(Open::isWhole);
    if (whole.isEmpty()) {
      return Optional.empty();
    }
    open = Optional.empty();
    next++;
    return Optional.of(new Assembled(whole.get().header, Map.copyOf(whole.get().finished)));
  }

  private void begin(BatchHeader header) {
    if (open.isPresent()) {
      throw new IllegalStateException(
          "batch %d begins before batch %d is whole".formatted(header.getBatch(), next));
    }
    if (header.getBatch() != next) {
      throw new IllegalStateException(
          "batch %d begins but %d is next; the stream was asked from %d"
              .formatted(header.getBatch(), next, first));
    }
    if (header.getPayloadBytes() < 0 || header.getPayloadBytes() > MAX_PAYLOAD_BYTES) {
      throw new IllegalStateException(
          "batch %d says that it has %d bytes of payload"
              .formatted(header.getBatch(), header.getPayloadBytes()));
    }
    open = Optional.of(new Open(header));
  }

  private void add(PayloadFrame frame) {
    if (open.isEmpty() || frame.getBatch() != next) {
      throw new IllegalStateException(
          "a frame of batch %d does not belong here; %d is next".formatted(frame.getBatch(), next));
    }
    open.get().add(frame.getPartsList());
  }

  /// A batch some of whose payloads are still to come.
  private static final class Open {

    private final BatchHeader header;
    private final Set<Long> missing = new LinkedHashSet<>();
    private final Map<Long, ByteString> partial = new LinkedHashMap<>();
    private final Map<Long, ReceivedPayload> finished = new LinkedHashMap<>();
    private long bytes;

    private Open(BatchHeader header) {
      this.header = header;
      if (header.getSource() != BatchSource.BATCH_SOURCE_GOLD) {
        header.getUsesList().forEach(use -> missing.add(use.getGroupId()));
      }
    }

    private void add(List<PayloadPart> parts) {
      for (PayloadPart part : parts) {
        bytes += part.getData().size();
        if (!missing.contains(part.getGroupId()) || bytes > header.getPayloadBytes()) {
          throw new IllegalStateException(
              "batch %d has a part of group %d that is not wanted, after %d of %d bytes"
                  .formatted(
                      header.getBatch(), part.getGroupId(), bytes, header.getPayloadBytes()));
        }
        ByteString data =
            partial.getOrDefault(part.getGroupId(), ByteString.EMPTY).concat(part.getData());
        if (part.getSha256().isEmpty()) {
          partial.put(part.getGroupId(), data);
        } else {
          partial.remove(part.getGroupId());
          missing.remove(part.getGroupId());
          finished.put(part.getGroupId(), new ReceivedPayload(data, part.getSha256()));
        }
      }
    }

    private boolean isWhole() {
      return missing.isEmpty();
    }
  }
}
