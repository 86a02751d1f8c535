package io.gradus.core.policy;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/// Hash chain over the batches that led to some weights: `H(parent lineage, batch number, batch
/// digest)`, SHA-256, lower-case hex (G3).
///
/// Computed by the learner from what it applied, recomputed by the audit from the ledger.
public record Lineage(String hex) {

  private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");

  public Lineage {
    if (!HEX.matcher(hex).matches()) {
      throw new IllegalArgumentException("not a SHA-256 in lower-case hex: " + hex);
    }
  }

  /// The lineage of first weights, which no batch led to.
  public static Lineage root() {
    return new Lineage("0".repeat(64));
  }

  public Lineage after(BatchNumber batch, BatchDigest digest) {
    return new Lineage(
        sha256("gradus lineage 1\n%s\n%d\n%s".formatted(hex, batch.value(), digest.hex())));
  }

  private static String sha256(String text) {
    try {
      return HexFormat.of()
          .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8)));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
