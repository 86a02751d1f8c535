package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.gradus.policy.checkpoint.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/// Models in Hugging Face layout beside what transformers computes with them: every folder with an
/// `expected.json` below the one that `-Dgradus.fixtures` names, by default the project's own.
public final class ParityCases {

  private static final Path OWN = Path.of("src", "test", "resources", "models");

  private ParityCases() {}

  /// The folders, of which there is at least one.
  public static List<Path> models() throws IOException {
    Path root = Path.of(System.getProperty("gradus.fixtures", OWN.toString()));
    try (Stream<Path> files = Files.walk(root)) {
      List<Path> models =
          files
              .filter(file -> file.endsWith("expected.json"))
              .map(Path::getParent)
              .filter(model -> Files.exists(model.resolve("config.json")))
              .sorted()
              .toList();
      assertThat(models).as("models below " + root).isNotEmpty();
      return models;
    }
  }

  public static JsonNode expected(Path model) throws IOException {
    return new ObjectMapper().readTree(model.resolve("expected.json").toFile());
  }

  public static int[] ints(JsonNode array) {
    var result = new int[array.size()];
    Arrays.setAll(result, i -> array.get(i).asInt());
    return result;
  }

  /// A tensor of whole numbers in `expected.safetensors`, row by row.
  static int[] ints(Safetensors file, String name) throws IOException {
    try (var _ = new PointerScope()) {
      Tensor target = torch.zeros(shapeOf(file, name), torch.dtype(torch.ScalarType.Int));
      file.copyTo(name, target);
      var result = new int[Math.toIntExact(target.numel())];
      new IntPointer(target.data_ptr_int()).get(result);
      return result;
    }
  }

  static float[] floats(Safetensors file, String name) throws IOException {
    try (var _ = new PointerScope()) {
      Tensor target = torch.zeros(shapeOf(file, name));
      file.copyTo(name, target);
      var result = new float[Math.toIntExact(target.numel())];
      new FloatPointer(target.data_ptr_float()).get(result);
      return result;
    }
  }

  static long[] shapeOf(Safetensors file, String name) {
    Safetensors.Entry entry = file.entries().get(name);
    assertThat(entry).as(name).isNotNull();
    return entry == null
        ? new long[0]
        : entry.shape().stream().mapToLong(Long::longValue).toArray();
  }

  /// The decoder of a folder, with another token at which completions end.
  static Decoder decoderEndingAt(Path model, int eos) throws IOException {
    try (Decoder loaded = Decoder.load(model)) {
      ModelConfig config = loaded.config();
      Decoder decoder =
          Decoder.zeros(
              config.withVocabulary(CharacterVocabulary.ofIds(config.vocabSize(), eos, eos, eos)));
      decoder.copyFrom(loaded);
      return decoder;
    }
  }
}
