package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/// SHA-256 of each chunk of a file and of the whole: what a reader must know of a part before it
/// has the rest. Every chunk has the same size but the last, which may be shorter.
///
/// As JSON it is what `GET …/<file>/chunks` of a learner's chunk server answers: `{"bytes": 20,
/// "sha256": "…", "chunk_bytes": 8, "chunks": ["…", "…", "…"]}`.
public final class ChunkDigests {

  /// Large enough that requests cost nothing, small enough that one is soon read again.
  public static final int USUAL_CHUNK_BYTES = 8 << 20;

  /// Between these two every chunk size is read.
  public static final int MIN_CHUNK_BYTES = 1 << 10;

  public static final int MAX_CHUNK_BYTES = 64 << 20;

  /// More chunks than this are refused: 512 GiB in chunks of the usual size.
  private static final int MAX_CHUNKS = 1 << 16;

  private static final int DIGEST_BYTES = 32;
  private static final int READ_BYTES = 1 << 16;

  private final long bytes;
  private final String sha256;
  private final int chunkBytes;

  /// One after another.
  private final byte[] digests;

  private ChunkDigests(long bytes, String sha256, int chunkBytes, byte[] digests) {
    if (chunkBytes < MIN_CHUNK_BYTES || chunkBytes > MAX_CHUNK_BYTES) {
      throw new IllegalArgumentException(
          "chunks of %d bytes; %d to %d are read"
              .formatted(chunkBytes, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES));
    }
    int count = chunks(bytes, chunkBytes);
    if (digests.length != count * DIGEST_BYTES) {
      throw new IllegalArgumentException(
          "%d digests for %d bytes in chunks of %d, which are %d"
              .formatted(digests.length / DIGEST_BYTES, bytes, chunkBytes, count));
    }
    this.bytes = bytes;
    this.sha256 = sha256;
    this.chunkBytes = chunkBytes;
    this.digests = digests;
  }

  private static int chunks(long bytes, int chunkBytes) {
    long count = bytes < 0 ? -1 : (bytes + chunkBytes - 1) / chunkBytes;
    if (count < 0 || count > MAX_CHUNKS) {
      throw new IllegalArgumentException(
          "%d bytes in chunks of %d are %d chunks; 0 to %d are read"
              .formatted(bytes, chunkBytes, count, MAX_CHUNKS));
    }
    return (int) count;
  }

  /// Reads `file` once.
  public static ChunkDigests of(Path file, int chunkBytes) throws IOException {
    long size = Files.size(file);
    var digests = new byte[chunks(size, chunkBytes) * DIGEST_BYTES];
    MessageDigest whole = Digests.newDigest();
    MessageDigest chunk = Digests.newDigest();
    var buffer = new byte[READ_BYTES];
    try (InputStream input = Files.newInputStream(file)) {
      long position = 0;
      for (int index = 0; position < size; index++) {
        long end = Math.min(size, position + chunkBytes);
        while (position < end) {
          int read = input.read(buffer, 0, (int) Math.min(buffer.length, end - position));
          if (read < 0) {
            throw new DamagedCheckpointException(
                file, "ended after %d of %d bytes".formatted(position, size));
          }
          whole.update(buffer, 0, read);
          chunk.update(buffer, 0, read);
          position += read;
        }
        System.arraycopy(chunk.digest(), 0, digests, index * DIGEST_BYTES, DIGEST_BYTES);
      }
    }
    return new ChunkDigests(size, HexFormat.of().formatHex(whole.digest()), chunkBytes, digests);
  }

  /// Size of the file.
  public long bytes() {
    return bytes;
  }

  /// Digest of the whole file, lower-case hexadecimal.
  public String sha256() {
    return sha256;
  }

  /// How many chunks there are; 0 for an empty file.
  public int count() {
    return digests.length / DIGEST_BYTES;
  }

  /// Where a chunk begins.
  public long offset(int index) {
    return (long) index * chunkBytes;
  }

  /// Bytes of a chunk.
  public int length(int index) {
    return (int) Math.min(chunkBytes, bytes - offset(index));
  }

  /// Whether a chunk has this digest.
  public boolean matches(int index, byte[] digest) {
    int from = index * DIGEST_BYTES;
    return Arrays.equals(digests, from, from + DIGEST_BYTES, digest, 0, digest.length);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ChunkDigests that
        && bytes == that.bytes
        && chunkBytes == that.chunkBytes
        && sha256.equals(that.sha256)
        && Arrays.equals(digests, that.digests);
  }

  @Override
  public int hashCode() {
    return sha256.hashCode();
  }

  /// The document.
  public byte[] toJson() {
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.put("bytes", bytes).put("sha256", sha256).put("chunk_bytes", chunkBytes);
    ArrayNode chunks = json.putArray("chunks");
    for (int from = 0; from < digests.length; from += DIGEST_BYTES) {
      chunks.add(HexFormat.of().formatHex(digests, from, from + DIGEST_BYTES));
    }
    try {
      return Json.MAPPER.writeValueAsBytes(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree of strings and numbers cannot be written", e);
    }
  }

  /// A document that came from elsewhere.
  ///
  /// @throws IllegalArgumentException if it is not one
  public static ChunkDigests fromJson(byte[] document) {
    JsonNode json;
    try {
      json = Json.STRICT.readTree(document);
    } catch (IOException e) {
      throw new IllegalArgumentException("is not sound JSON", e);
    }
    if (json == null
        || !json.path("bytes").canConvertToLong()
        || !json.path("chunk_bytes").canConvertToInt()
        || !json.path("sha256").isTextual()
        || !json.path("chunks").isArray()) {
      throw new IllegalArgumentException("does not have bytes, sha256, chunk_bytes and chunks");
    }
    JsonNode chunks = json.path("chunks");
    var digests = new byte[Math.multiplyExact(chunks.size(), DIGEST_BYTES)];
    for (int index = 0; index < chunks.size(); index++) {
      byte[] digest = HexFormat.of().parseHex(chunks.path(index).asText());
      if (digest.length != DIGEST_BYTES) {
        throw new IllegalArgumentException("digest %d is no SHA-256".formatted(index));
      }
      System.arraycopy(digest, 0, digests, index * DIGEST_BYTES, DIGEST_BYTES);
    }
    return new ChunkDigests(
        json.path("bytes").asLong(),
        json.path("sha256").asText(),
        json.path("chunk_bytes").asInt(),
        digests);
  }
}
