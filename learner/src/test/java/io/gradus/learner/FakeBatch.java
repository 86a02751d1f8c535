package io.gradus.learner;

import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.StreamBatchesResponse;
import java.util.ArrayList;
import java.util.List;

/// A batch as it goes over the wire: a header, then frames.
public record FakeBatch(List<StreamBatchesResponse> messages) {

  public FakeBatch {
    messages = List.copyOf(messages);
  }

  public BatchHeader header() {
    return messages.getFirst().getHeader();
  }

  /// The same with another header.
  public FakeBatch with(BatchHeader header) {
    var changed = new ArrayList<>(messages);
    changed.set(0, StreamBatchesResponse.newBuilder().setHeader(header).build());
    return new FakeBatch(changed);
  }
}
