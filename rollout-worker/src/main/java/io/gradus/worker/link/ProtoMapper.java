package io.gradus.worker.link;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeaseProgress;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.worker.group.FinishedGroup;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeasedGroup;
import io.gradus.worker.run.RunAssignment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Between the messages of the RolloutService and what they mean here.
final class ProtoMapper {

  /// Most payload bytes in a request, so that no message comes near a transport's limit.
  static final int PART_BYTES = 1 << 20;

  private ProtoMapper() {}

  static LeasedGroup leasedGroup(RunAssignment run, Lease lease) {
    return new LeasedGroup(
        run,
        new GroupId(lease.getGroupId()),
        new LeaseId(lease.getLeaseId()),
        new Task(lease.getSource(), lease.getStratum(), lease.getTaskIndex()),
        purpose(lease),
        lease.getMembersList(),
        lease.getPolicyVersion() == 0
            ? Optional.empty()
            : Optional.of(new PolicyVersion(lease.getPolicyVersion())));
  }

  private static GroupPurpose purpose(Lease lease) {
    return switch (lease.getPurpose()) {
      case GROUP_PURPOSE_TRAINING -> GroupPurpose.TRAINING;
      case GROUP_PURPOSE_RATIONALIZATION -> GroupPurpose.RATIONALIZATION;
      case GROUP_PURPOSE_EVALUATION -> GroupPurpose.EVALUATION;
      case GROUP_PURPOSE_CONFIRMATION -> GroupPurpose.CONFIRMATION;
      case GROUP_PURPOSE_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalArgumentException(
              "lease %d has a purpose that this build does not know (%d)"
                  .formatted(lease.getLeaseId(), lease.getPurposeValue()));
    };
  }

  static Manifest manifest(PolicyManifest message) {
    return new Manifest(
        new PolicyVersion(message.getPolicyVersion()),
        message.getStep(),
        message.getBatch() == 0
            ? Optional.empty()
            : Optional.of(new BatchNumber(message.getBatch())),
        message.getUri(),
        message.getFilesList().stream()
            .map(f -> new Manifest.CheckpointFile(f.getName(), f.getBytes(), f.getSha256()))
            .toList(),
        new Lineage(message.getLineage()),
        message.getDurable());
  }

  static Heartbeat heartbeat(LeaseBook.Standing standing) {
    var heartbeat = Heartbeat.newBuilder().setCredits(standing.credits());
    for (LeaseBook.Holding holding : standing.holdings()) {
      heartbeat.addLeases(
          LeaseProgress.newBuilder()
              .setRunId(holding.runId())
              .setLeaseId(holding.lease().value())
              .setProgress(holding.progress()));
    }
    return heartbeat.build();
  }

  /// The requests that carry `groups`, in order: parts of one group follow each other, each request
  /// holds at most [#PART_BYTES] of payload.
  static List<SubmitGroupsRequest> requests(List<FinishedGroup> groups) {
    var requests = new ArrayList<SubmitGroupsRequest>();
    var request = SubmitGroupsRequest.newBuilder();
    int room = PART_BYTES;
    for (FinishedGroup finished : groups) {
      int size = finished.payload().size();
      for (int offset = 0; offset < size; ) {
        if (room == 0) {
          requests.add(request.build());
          request = SubmitGroupsRequest.newBuilder();
          room = PART_BYTES;
        }
        int length = Math.min(room, size - offset);
        var part =
            GroupPart.newBuilder()
                .setRunId(finished.group().run().runId())
                .setGroupId(finished.group().group().value())
                .setLeaseId(finished.group().lease().value())
                .setData(finished.payload().substring(offset, offset + length));
        offset += length;
        room -= length;
        if (offset == size) {
          part.setSha256(finished.sha256());
        }
        request.addParts(part);
      }
    }
    if (request.getPartsCount() > 0) {
      requests.add(request.build());
    }
    return requests;
  }
}
