package io.gradus.policy.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.gradus.policy.ReferenceDecoder;
import io.gradus.policy.nativememory.NativeMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsTest {

  @TempDir private Path directory;

  @BeforeAll
  static void load() {
    NativeMemory.load();
  }

  @Test
  void readsBackWhatItWroteWhateverTheLayoutInMemory() throws IOException {
    Path file = directory.resolve("a.safetensors");
    try (var _ = new PointerScope()) {
      Tensor matrix = Tensor.create(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
      var tensors = new LinkedHashMap<String, Tensor>();
      tensors.put("b", matrix.t());
      tensors.put("a", Tensor.create(new float[] {7}, 1));
      tensors.put("empty", torch.empty(0, 4));

      Safetensors.write(file, tensors, Map.of("format", "pt"));

      try (Safetensors read = Safetensors.open(file)) {
        assertThat(read.metadata()).containsExactly(Map.entry("format", "pt"));
        assertThat(read.entries().keySet()).containsExactly("b", "a", "empty");
        assertThat(read.entries().get("b"))
            .isEqualTo(new Safetensors.Entry("b", Dtype.F32, List.of(3L, 2L), 0, 24));
        Tensor target = torch.empty(3, 2);
        read.copyTo("b", target);
        assertThat(ReferenceDecoder.doubles(target)).containsExactly(1, 4, 2, 5, 3, 6);
      }
    }
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void convertsHalfPrecision() throws IOException {
    Path file = directory.resolve("half.safetensors");
    write(
        file,
        """
        {"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
         "b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}\
        """,
        new byte[] {0x00, 0x3C, 0x00, (byte) 0xC0, (byte) 0x80, 0x3F});
    try (Safetensors read = Safetensors.open(file);
        var _ = new PointerScope()) {
      Tensor two = torch.empty(2);
      Tensor one = torch.empty(1);
      read.copyTo("h", two);
      read.copyTo("b", one);

      assertThat(ReferenceDecoder.doubles(two)).containsExactly(1, -2);
      assertThat(ReferenceDecoder.doubles(one)).containsExactly(1);
    }
  }

  static Stream<Arguments> hostile() {
    return Stream.of(
        Arguments.of("[]", 0, "does not begin with {"),
        Arguments.of("{\"a\":", 0, "not sound JSON"),
        Arguments.of("{} x", 0, "not sound JSON"),
        Arguments.of(
            "{\"a\":" + tensor("F32", "[1]", "0,4") + ",\"a\":" + tensor("F32", "[1]", "4,8") + "}",
            8,
            "Duplicate field 'a'"),
        Arguments.of("{\"a\":" + tensor("F4", "[1]", "0,4") + "}", 4, "dtype \"F4\""),
        Arguments.of("{\"a\":" + tensor("F32", "[2]", "0,4") + "}", 4, "needs 8"),
        Arguments.of("{\"a\":" + tensor("F32", "[-1]", "0,4") + "}", 4, "the dimension -1"),
        Arguments.of("{\"a\":" + tensor("F32", "[1.5]", "0,4") + "}", 4, "the dimension 1.5"),
        Arguments.of(
            "{\"a\":" + tensor("F32", "[4611686018427387904,4]", "0,4") + "}",
            4,
            "larger than any"),
        Arguments.of("{\"a\":" + tensor("F32", "[2]", "0,8") + "}", 4, "of 4 bytes of data"),
        Arguments.of("{\"a\":" + tensor("F32", "[1]", "-4,0") + "}", 4, "bytes -4 to 0"),
        Arguments.of("{\"a\":" + tensor("F32", "[1]", "4,0") + "}", 4, "bytes 4 to 0"),
        Arguments.of("{\"a\":" + tensor("F32", "[1]", "0,99999999999999999999") + "}", 4, "two"),
        Arguments.of("{\"a\":" + tensor("F32", "[1]", "0") + "}", 4, "data_offsets"),
        Arguments.of("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"),
        Arguments.of("{\"a\":7}", 0, "dtype"),
        Arguments.of(
            "{\"a\":"
                + tensor("F32", "[2]", "0,8")
                + ",\"b\":"
                + tensor("F32", "[2]", "4,12")
                + "}",
            12,
            "must begin at 8"),
        Arguments.of(
            "{\"a\":"
                + tensor("F32", "[1]", "0,4")
                + ",\"b\":"
                + tensor("F32", "[1]", "8,12")
                + "}",
            12,
            "must begin at 4"),
        Arguments.of("{\"a\":" + tensor("F32", "[1]", "0,4") + "}", 9, "has 9 bytes of data"),
        Arguments.of("{\"a\":".repeat(40) + "1" + "}".repeat(40), 0, "not sound JSON"));
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void refusesHeadersThatDoNotDescribeTheirData(String header, int dataBytes, String problem)
      throws IOException {
    Path file = directory.resolve("hostile.safetensors");
    write(file, header, new byte[dataBytes]);

    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> Safetensors.open(file).close())
        .withMessageContaining(problem)
        .withMessageContaining("hostile.safetensors");
  }

  @Test
  void refusesHeaderLengthsThatDoNotFit() throws IOException {
    for (long length : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 40, 0, 17}) {
      Path file = directory.resolve("length.safetensors");
      Files.write(
          file, ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array());

      assertThatExceptionOfType(DamagedCheckpointException.class)
          .isThrownBy(() -> Safetensors.open(file).close())
          .withMessageContaining("its header has " + Long.toUnsignedString(length));
    }
    Path tiny = directory.resolve("tiny.safetensors");
    Files.write(tiny, new byte[3]);
    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> Safetensors.open(tiny).close())
        .withMessageContaining("has 3 bytes");
  }

  @Test
  void refusesToCopyIntoAnotherShape() throws IOException {
    Path file = directory.resolve("a.safetensors");
    write(file, "{\"a\":" + tensor("F32", "[2]", "0,8") + "}", new byte[8]);
    try (Safetensors read = Safetensors.open(file);
        Tensor target = torch.empty(3)) {
      assertThatExceptionOfType(DamagedCheckpointException.class)
          .isThrownBy(() -> read.copyTo("a", target))
          .withMessageContaining("has shape [2] but must have [3]");
      assertThatExceptionOfType(DamagedCheckpointException.class)
          .isThrownBy(() -> read.copyTo("c", target))
          .withMessageContaining("has no tensor c");
    }
  }

  private static String tensor(String dtype, String shape, String offsets) {
    return "{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%s]}".formatted(dtype, shape, offsets);
  }

  private static void write(Path file, String header, byte[] data) throws IOException {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    Files.write(
        file,
        ByteBuffer.allocate(8 + text.length + data.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(text.length)
            .put(text)
            .put(data)
            .array());
  }
}
