package io.gradus.coordinator.edge;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.gradus.coordinator.ledger.LedgerReader;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.RunKey;
import io.gradus.coordinator.run.ToLearner;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.BatchSource;
import io.gradus.learner.v1.PayloadFrame;
import io.gradus.learner.v1.PayloadPart;
import io.gradus.learner.v1.StreamBatchesResponse;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;

/// Makes the messages of a batch: a header, then each payload once, in frames of at most 1 MiB.
final class BatchReader {

  /// Bytes of a frame, with room for what surrounds them.
  static final int FRAME_BYTES = (1 << 20) - 1024;

  /// What a part adds to its data: ids, digest, lengths.
  private static final int PART_OVERHEAD = 64;

  private BatchReader() {}

  private record Key(GroupId group, LeaseId lease) {}

  /// Reads the payloads of a batch. Blocks.
  ///
  /// @param minibatches optimizer steps a pass
  /// @param epochs passes
  static List<StreamBatchesResponse> read(
      LedgerReader ledger,
      RunKey run,
      ToLearner.BatchReleased released,
      int minibatches,
      int epochs) {
    var payloads = new LinkedHashMap<Key, Payload>();
    long bytes = 0;
    for (Use use : released.uses()) {
      var key = new Key(use.group(), use.lease());
      if (!payloads.containsKey(key)) {
        Payload payload =
            ledger
                .payload(run, use.group(), use.lease())
                .orElseThrow(() ->
                    new IllegalStateException(
                        "batch %d of run %s uses group %d under lease %d, whose payload is gone"
                            .formatted(
                                released.batch().number().value(),
                                run.runId(),
                                use.group().value(),
                                use.lease().value())));
        payloads.put(key, payload);
        bytes += payload.size();
      }
    }
    var messages = new ArrayList<StreamBatchesResponse>();
    messages.add(
        StreamBatchesResponse.newBuilder()
            .setHeader(header(released, minibatches, epochs, bytes))
            .build());
    messages.addAll(frames(released.batch().number().value(), List.copyOf(payloads.values())));
    return messages;
  }

  private static BatchHeader header(
      ToLearner.BatchReleased released, int minibatches, int epochs, long bytes) {
    BatchRow row = released.batch();
    var header =
        BatchHeader.newBuilder()
            .setBatch(row.number().value())
            .setSha256(ByteString.copyFrom(HexFormat.of().parseHex(row.digest().hex())))
            // Warm-up batches are one optimizer step each, whatever the split of the others.
            .setMinibatches(row.gold().isPresent() ? 1 : minibatches)
            .setEpochs(row.gold().isPresent() ? 1 : epochs)
            .setSource(
                row.gold().isPresent()
                    ? BatchSource.BATCH_SOURCE_GOLD
                    : BatchSource.BATCH_SOURCE_REPLAY)
            .setCompletionTokens(row.completionTokens())
            .setGroups(row.groups())
            .setPayloadBytes(bytes)
            .setRound(row.round())
            .setIndexInRound(row.indexInRound())
            .setBatchesInRound(row.batchesInRound())
            .setRestartFromBase(row.restartFromBase())
            .setPublish(row.publish())
            .setDurable(row.durable());
    row.gold().ifPresent(gold -> header.setGold(range(gold)));
    for (Use use : released.uses()) {
      header
          .addUses(
              io.gradus.learner.v1.Use.newBuilder()
                  .setGroupId(use.group().value())
                  .setLeaseId(use.lease().value())
                  .setMember(use.member())
                  .setProbability(use.probability())
                  .setPassRate(use.passRate()))
          .addStaleness(use.staleness());
    }
    return header.build();
  }

  private static io.gradus.learner.v1.GoldRange range(GoldRange gold) {
    return io.gradus.learner.v1.GoldRange.newBuilder()
        .setGenerator(gold.generator())
        .setGeneratorVersion(gold.generatorVersion())
        .setSource(gold.source())
        .setSeed(gold.seed())
        .setFirstIndex(gold.firstIndex())
        .setCount(gold.count())
        .setFirstStratum(gold.firstStratum())
        .setLastStratum(gold.lastStratum())
        .build();
  }

  static List<StreamBatchesResponse> frames(long batch, List<Payload> payloads) {
    var frames = new ArrayList<StreamBatchesResponse>();
    var frame = PayloadFrame.newBuilder().setBatch(batch);
    int room = FRAME_BYTES;
    for (Payload payload : payloads) {
      ByteString data = UnsafeByteOperations.unsafeWrap(payload.bytes());
      int sent = 0;
      boolean isLast = false;
      while (!isLast) {
        if (room <= PART_OVERHEAD) {
          frames.add(StreamBatchesResponse.newBuilder().setFrame(frame).build());
          frame = PayloadFrame.newBuilder().setBatch(batch);
          room = FRAME_BYTES;
        }
        int size = Math.min(data.size() - sent, room - PART_OVERHEAD);
        isLast = sent + size == data.size();
        var part =
            PayloadPart.newBuilder()
                .setGroupId(payload.group().value())
                .setData(data.substring(sent, sent + size));
        if (isLast) {
          part.setSha256(ByteString.copyFrom(HexFormat.of().parseHex(payload.digest().hex())));
        }
        frame.addParts(part);
        sent += size;
        room -= size + PART_OVERHEAD;
      }
    }
    if (frame.getPartsCount() > 0) {
      frames.add(StreamBatchesResponse.newBuilder().setFrame(frame).build());
    }
    return frames;
  }
}
