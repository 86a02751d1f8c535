package io.gradus.core.batch;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.gradus.core.group.PayloadDigest;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;

/// SHA-256 of what a batch holds, in lower-case hex. A replay batch hashes its number, the split
/// and its uses in order, each with the digest of its payload; a gold batch hashes its range.
public record BatchDigest(String hex) {

  private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");

  public BatchDigest {
    if (!HEX.matcher(hex).matches()) {
      throw new IllegalArgumentException("not a SHA-256 in lower-case hex: " + hex);
    }
  }

  public static BatchDigest ofGold(BatchNumber number, GoldRange range) {
    return of("gradus batch 1\n%d\nGOLD\n%s".formatted(number.value(), range.canonical()));
  }

  /// Digest of a batch of workers' samples.
  ///
  /// @param payloads digest of the payload of each use, in the order of `uses`
  public static BatchDigest ofReplay(
      BatchNumber number, List<Use> uses, List<PayloadDigest> payloads) {
    if (uses.size() != payloads.size()) {
      throw new IllegalArgumentException(
          "%d uses but %d payload digests".formatted(uses.size(), payloads.size()));
    }
    var text = new StringBuilder("gradus batch 1\n").append(number.value()).append("\nREPLAY\n");
    for (int ordinal = 0; ordinal < uses.size(); ordinal++) {
      Use use = uses.get(ordinal);
      text.append(use.group().value())
          .append(' ')
          .append(use.lease().value())
          .append(' ')
          .append(use.member())
          .append(' ')
          .append(payloads.get(ordinal).hex())
          .append('\n');
    }
    return of(text.toString());
  }

  private static BatchDigest of(String text) {
    try {
      return new BatchDigest(
          HexFormat.of()
              .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8))));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-256", impossible);
    }
  }
}
