package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.nativememory.NativeMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/// A safetensors file, mapped into memory.
///
/// The format: eight bytes of little-endian header length, a JSON header, then the data of all
/// tensors without holes. The whole header is checked when the file is opened: it lies inside the
/// file, names occur once, dtypes are known, each tensor's bytes are those of its shape, and
/// together they cover the data exactly. Source: the format description of huggingface/safetensors.
public final class Safetensors implements AutoCloseable {

  /// The bound that the reference implementation sets.
  private static final long MAX_HEADER_BYTES = 100_000_000;

  private static final int MAX_DIMENSIONS = 8;

  private final Path file;
  private final Arena arena;
  private final MemorySegment data;
  private final Map<String, Entry> entries;
  private final Map<String, String> metadata;

  /// Where a tensor lies in the data part.
  public record Entry(String name, Dtype dtype, List<Long> shape, long offset, long bytes) {}

  private Safetensors(
      Path file,
      Arena arena,
      MemorySegment data,
      Map<String, Entry> entries,
      Map<String, String> metadata) {
    this.file = file;
    this.arena = arena;
    this.data = data;
    this.entries = Collections.unmodifiableMap(entries);
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /// Maps and checks `file`.
  ///
  /// @throws DamagedCheckpointException if it is not a sound safetensors file
  public static Safetensors open(Path file) throws IOException {
    Arena arena = Arena.ofShared();
    boolean sound = false;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8) {
        throw new DamagedCheckpointException(
            file, "has %d bytes but a safetensors file has at least 8".formatted(size));
      }
      MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      long header = all.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
      if (header < 2 || header > MAX_HEADER_BYTES || header > size - 8) {
        throw new DamagedCheckpointException(
            file,
            "says that its header has %s bytes but it must have 2 to %d"
                .formatted(Long.toUnsignedString(header), Math.min(MAX_HEADER_BYTES, size - 8)));
      }
      var text = new byte[(int) header];
      MemorySegment.copy(all, ValueLayout.JAVA_BYTE, 8, text, 0, text.length);
      MemorySegment data = all.asSlice(8 + header);
      var metadata = new LinkedHashMap<String, String>();
      Map<String, Entry> entries = parse(file, text, data.byteSize(), metadata);
      sound = true;
      return new Safetensors(file, arena, data, entries, metadata);
    } finally {
      if (!sound) {
        arena.close();
      }
    }
  }

  /// Tensors by name, in the order of the header.
  public Map<String, Entry> entries() {
    return entries;
  }

  /// What the writer said about the file.
  public Map<String, String> metadata() {
    return metadata;
  }

  /// Copies a tensor into `target`, in place, converting its dtype.
  ///
  /// @throws DamagedCheckpointException if the file has no such tensor or it has another shape
  public void copyTo(String name, Tensor target) throws IOException {
    NativeMemory.load();
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new DamagedCheckpointException(file, "has no tensor " + name);
    }
    List<Long> wanted = shapeOf(target);
    if (!entry.shape.equals(wanted)) {
      throw new DamagedCheckpointException(
          file, "tensor %s has shape %s but must have %s".formatted(name, entry.shape, wanted));
    }
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      Tensor source =
          torch.empty(
              target.sizes().vec().get(),
              torch.dtype(entry.dtype.torchType()),
              new MemoryFormatOptional());
      if (entry.bytes > 0) {
        bytesOf(source, entry.bytes).put(data.asSlice(entry.offset, entry.bytes).asByteBuffer());
      }
      target.copy_(source);
    }
  }

  @Override
  public void close() {
    arena.close();
  }

  /// Writes fp32 and int64 tensors to `file`. It is not synced: a checkpoint syncs its files
  /// together.
  public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata)
      throws IOException {
    ObjectNode header = Json.MAPPER.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode node = header.putObject("__metadata__");
      metadata.forEach(node::put);
    }
    long offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Tensor tensor = entry.getValue();
      Dtype dtype = dtypeOf(entry.getKey(), tensor);
      ObjectNode node = header.putObject(entry.getKey());
      node.put("dtype", dtype.name());
      shapeOf(tensor).forEach(node.putArray("shape")::add);
      long bytes = tensor.numel() * dtype.bytes();
      node.putArray("data_offsets").add(offset).add(offset + bytes);
      offset += bytes;
    }
    byte[] text = Json.MAPPER.writeValueAsBytes(header);
    // Padding with spaces aligns the data to 8 bytes, as the reference implementation does.
    int padded = (text.length + 7) / 8 * 8;
    byte[] aligned = Arrays.copyOf(text, padded);
    Arrays.fill(aligned, text.length, padded, (byte) ' ');
    SyncedFiles.write(
        file,
        channel -> {
          ByteBuffer start =
              ByteBuffer.allocate(8 + padded)
                  .order(ByteOrder.LITTLE_ENDIAN)
                  .putLong(padded)
                  .put(aligned)
                  .flip();
          SyncedFiles.writeFully(channel, start);
          for (Tensor tensor : tensors.values()) {
            try (var _ = new PointerScope()) {
              Tensor dense = tensor.contiguous();
              if (dense.numel() > 0) {
                SyncedFiles.writeFully(channel, bytesOf(dense, dense.nbytes()));
              }
            }
          }
        });
  }

  static List<Long> shapeOf(Tensor tensor) {
    var shape = new ArrayList<Long>();
    for (long d = 0; d < tensor.dim(); d++) {
      shape.add(tensor.size(d));
    }
    return List.copyOf(shape);
  }

  private static Dtype dtypeOf(String name, Tensor tensor) {
    for (Dtype dtype : Dtype.values()) {
      if (tensor.scalar_type().value == dtype.torchType().value) {
        return dtype;
      }
    }
    throw new IllegalArgumentException(
        "tensor %s is %s, which is not written".formatted(name, tensor.scalar_type()));
  }

  /// The storage of a dense tensor; valid as long as the tensor.
  private static ByteBuffer bytesOf(Tensor tensor, long bytes) {
    var pointer = new BytePointer(tensor.data_ptr());
    return pointer.limit(bytes).capacity(bytes).asByteBuffer();
  }

  private static Map<String, Entry> parse(
      Path file, byte[] text, long dataBytes, Map<String, String> metadata) throws IOException {
    if (text[0] != '{') {
      throw new DamagedCheckpointException(file, "its header does not begin with {");
    }
    JsonNode header;
    try {
      header = Json.STRICT.readTree(new String(text, StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      throw new DamagedCheckpointException(
          file, "its header is not sound JSON: " + e.getOriginalMessage());
    }
    var entries = new LinkedHashMap<String, Entry>();
    for (Map.Entry<String, JsonNode> property : header.properties()) {
      if (property.getKey().equals("__metadata__")) {
        for (Map.Entry<String, JsonNode> pair : property.getValue().properties()) {
          metadata.put(pair.getKey(), pair.getValue().asText());
        }
      } else {
        entries.put(
            property.getKey(), entry(file, property.getKey(), property.getValue(), dataBytes));
      }
    }
    List<Entry> inOrder =
        entries.values().stream().sorted(Comparator.comparingLong(Entry::offset)).toList();
    long end = 0;
    for (Entry entry : inOrder) {
      if (entry.offset != end) {
        throw new DamagedCheckpointException(
            file,
            "tensor %s begins at byte %d of the data but must begin at %d: tensors neither overlap"
                    .formatted(entry.name, entry.offset, end)
                + " nor leave holes");
      }
      end += entry.bytes;
    }
    if (end != dataBytes) {
      throw new DamagedCheckpointException(
          file, "has %d bytes of data but its tensors need %d".formatted(dataBytes, end));
    }
    return entries;
  }

  private static Entry entry(Path file, String name, JsonNode node, long dataBytes)
      throws IOException {
    JsonNode dtypeNode = node.path("dtype");
    Dtype dtype =
        Dtype.named(dtypeNode.asText())
            .orElseThrow(() ->
                new DamagedCheckpointException(
                    file,
                    "tensor %s has dtype %s but must have one of %s"
                        .formatted(name, dtypeNode, Arrays.toString(Dtype.values()))));
    JsonNode shapeNode = node.path("shape");
    JsonNode offsets = node.path("data_offsets");
    if (!shapeNode.isArray() || shapeNode.size() > MAX_DIMENSIONS) {
      throw new DamagedCheckpointException(
          file, "tensor %s has no shape of at most %d dimensions".formatted(name, MAX_DIMENSIONS));
    }
    var shape = new ArrayList<Long>();
    long bytes = dtype.bytes();
    for (JsonNode dimension : shapeNode) {
      if (!dimension.canConvertToLong()
          || !dimension.isIntegralNumber()
          || dimension.asLong() < 0) {
        throw new DamagedCheckpointException(
            file, "tensor %s has the dimension %s".formatted(name, dimension));
      }
      shape.add(dimension.asLong());
      long high = Math.multiplyHigh(bytes, dimension.asLong());
      bytes *= dimension.asLong();
      if (high != 0 || bytes < 0) {
        throw new DamagedCheckpointException(
            file, "tensor %s is larger than any file: shape %s".formatted(name, shapeNode));
      }
    }
    if (offsets.size() != 2
        || !offsets.get(0).isIntegralNumber()
        || !offsets.get(0).canConvertToLong()
        || !offsets.get(1).isIntegralNumber()
        || !offsets.get(1).canConvertToLong()) {
      throw new DamagedCheckpointException(
          file, "tensor %s has data_offsets %s but must have two".formatted(name, offsets));
    }
    long begin = offsets.get(0).asLong();
    long end = offsets.get(1).asLong();
    if (begin < 0 || end < begin || end > dataBytes) {
      throw new DamagedCheckpointException(
          file,
          "tensor %s lies at bytes %d to %d of %d bytes of data"
              .formatted(name, begin, end, dataBytes));
    }
    if (end - begin != bytes) {
      throw new DamagedCheckpointException(
          file,
          "tensor %s has %d bytes but its shape %s of %s needs %d"
              .formatted(name, end - begin, shapeNode, dtype, bytes));
    }
    return new Entry(name, dtype, List.copyOf(shape), begin, bytes);
  }
}
