package io.gradus.learner.link;

import com.google.protobuf.Duration;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.PolicyManifest;
import java.util.Optional;

/// Between the messages of the LearnerService and what they mean here.
public final class ProtoMapper {

  private ProtoMapper() {}

  public static Manifest manifest(PolicyManifest message) {
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

  static PolicyManifest toProto(Manifest manifest) {
    var message =
        PolicyManifest.newBuilder()
            .setPolicyVersion(manifest.version().value())
            .setStep(manifest.step())
            .setBatch(manifest.batchOrZero())
            .setUri(manifest.uri())
            .setLineage(manifest.lineage().hex())
            .setDurable(manifest.durable());
    for (Manifest.CheckpointFile file : manifest.files()) {
      message.addFiles(
          CheckpointFile.newBuilder()
              .setName(file.name())
              .setBytes(file.bytes())
              .setSha256(file.sha256()));
    }
    return message.build();
  }

  public static Duration toProto(java.time.Duration duration) {
    return Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }
}
