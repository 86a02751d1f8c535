package io.gradus.coordinator.edge;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.PolicyManifest;
import java.util.Optional;

/// Manifests between wire and domain.
final class PolicyMapper {

  private PolicyMapper() {}

  static PolicyManifest toProto(Manifest manifest) {
    var proto =
        PolicyManifest.newBuilder()
            .setPolicyVersion(manifest.version().value())
            .setStep(manifest.step())
            .setBatch(manifest.batchOrZero())
            .setUri(manifest.uri())
            .setLineage(manifest.lineage().hex())
            .setDurable(manifest.durable());
    for (Manifest.CheckpointFile file : manifest.files()) {
      proto.addFiles(
          CheckpointFile.newBuilder()
              .setName(file.name())
              .setBytes(file.bytes())
              .setSha256(file.sha256()));
    }
    return proto.build();
  }

  /// A manifest whose schema was checked.
  static Manifest toDomain(PolicyManifest proto) {
    return new Manifest(
        new PolicyVersion(proto.getPolicyVersion()),
        proto.getStep(),
        proto.getBatch() == 0 ? Optional.empty() : Optional.of(new BatchNumber(proto.getBatch())),
        Texts.identifier("manifest.uri", proto.getUri()),
        proto.getFilesList().stream()
            .map(file ->
                new Manifest.CheckpointFile(
                    Texts.identifier("manifest.files.name", file.getName()),
                    file.getBytes(),
                    file.getSha256()))
            .toList(),
        new Lineage(proto.getLineage()),
        proto.getDurable());
  }
}
