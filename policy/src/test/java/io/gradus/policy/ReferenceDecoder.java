package io.gradus.policy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;

/// The decoder once more, as plain loops on doubles: what the fast one is compared with.
public final class ReferenceDecoder {

  private final ModelConfig config;
  private final Map<String, double[]> weights = new HashMap<>();

  /// Reads the weights of `decoder` once.
  public ReferenceDecoder(Decoder decoder) {
    config = decoder.config();
    decoder.parameters().forEach((name, tensor) -> weights.put(name, doubles(tensor)));
  }

  /// A weight by its name, to be changed by a finite difference.
  public double[] weight(String name) {
    return Objects.requireNonNull(weights.get(name), name);
  }

  public static double[] doubles(Tensor tensor) {
    try (Tensor dense = tensor.contiguous();
        FloatPointer pointer = dense.data_ptr_float()) {
      var floats = new float[Math.toIntExact(tensor.numel())];
      pointer.get(floats);
      var result = new double[floats.length];
      for (int i = 0; i < floats.length; i++) {
        result[i] = floats[i];
      }
      return result;
    }
  }

  /// Logits at every position of a row, `[T][V]`.
  public double[][] logits(int[] ids) {
    int h = config.hiddenSize();
    AttentionShape attention = config.attention();
    int d = attention.headDim();
    int shared = attention.heads() / attention.keyValueHeads();
    double[] embedding = weight("model.embed_tokens.weight");
    var x = new double[ids.length][h];
    var positions = new int[ids.length];
    int position = 0;
    for (int t = 0; t < ids.length; t++) {
      position = PackedRows.nextPosition(config, ids[t], position, t);
      positions[t] = position;
      System.arraycopy(embedding, ids[t] * h, x[t], 0, h);
    }
    for (int l = 0; l < config.layers(); l++) {
      String prefix = "model.layers." + l + ".";
      double[][] normed = norm(x, prefix + "input_layernorm.weight");
      double[][] q = multiply(normed, prefix + "self_attn.q_proj.weight", config.attentionSize());
      double[][] k = multiply(normed, prefix + "self_attn.k_proj.weight", config.keyValueSize());
      double[][] v = multiply(normed, prefix + "self_attn.v_proj.weight", config.keyValueSize());
      if (attention.normed()) {
        normHeads(q, prefix + "self_attn.q_norm.weight");
        normHeads(k, prefix + "self_attn.k_norm.weight");
      }
      turn(q, positions);
      turn(k, positions);
      int window = attention.window(l);
      var heads = new double[ids.length][config.attentionSize()];
      for (int head = 0; head < attention.heads(); head++) {
        int from = head / shared * d;
        for (int t = 0; t < ids.length; t++) {
          var score = new double[t + 1];
          double sum = 0;
          for (int s = Math.max(0, t - window + 1); s <= t; s++) {
            for (int i = 0; i < d; i++) {
              score[s] += q[t][head * d + i] * k[s][from + i];
            }
            score[s] = Math.exp(score[s] / Math.sqrt(d));
            sum += score[s];
          }
          for (int s = Math.max(0, t - window + 1); s <= t; s++) {
            for (int i = 0; i < d; i++) {
              heads[t][head * d + i] += score[s] / sum * v[s][from + i];
            }
          }
        }
      }
      add(x, multiply(heads, prefix + "self_attn.o_proj.weight", h));
      normed = norm(x, prefix + "post_attention_layernorm.weight");
      double[][] gate = multiply(normed, prefix + "mlp.gate_proj.weight", config.feedForwardSize());
      double[][] up = multiply(normed, prefix + "mlp.up_proj.weight", config.feedForwardSize());
      for (int t = 0; t < ids.length; t++) {
        for (int i = 0; i < config.feedForwardSize(); i++) {
          up[t][i] *= gate[t][i] / (1 + Math.exp(-gate[t][i]));
        }
      }
      add(x, multiply(up, prefix + "mlp.down_proj.weight", h));
    }
    String head = config.tiedEmbedding() ? "model.embed_tokens.weight" : "lm_head.weight";
    return multiply(norm(x, "model.norm.weight"), head, config.vocabSize());
  }

  /// Log-probabilities of all tokens at each position at a temperature, `[T][V]`.
  public double[][] logprobs(int[] ids, double temperature) {
    double[][] result = logits(ids);
    for (double[] row : result) {
      double sum = 0;
      for (int v = 0; v < row.length; v++) {
        row[v] /= temperature;
        sum += Math.exp(row[v]);
      }
      for (int v = 0; v < row.length; v++) {
        row[v] -= Math.log(sum);
      }
    }
    return result;
  }

  private void turn(double[][] x, int[] positions) {
    int d = config.attention().headDim();
    float[] frequencies = config.attention().rope().frequencies(d);
    for (int t = 0; t < x.length; t++) {
      for (int head = 0; head < x[t].length; head += d) {
        for (int i = 0; i < d / 2; i++) {
          double angle = positions[t] * (double) frequencies[i];
          double first = x[t][head + i];
          double second = x[t][head + i + d / 2];
          x[t][head + i] = first * Math.cos(angle) - second * Math.sin(angle);
          x[t][head + i + d / 2] = second * Math.cos(angle) + first * Math.sin(angle);
        }
      }
    }
  }

  private void normHeads(double[][] x, String gainName) {
    int d = config.attention().headDim();
    for (double[] row : x) {
      for (int head = 0; head < row.length; head += d) {
        double[][] normed =
            norm(new double[][] {Arrays.copyOfRange(row, head, head + d)}, gainName);
        System.arraycopy(normed[0], 0, row, head, d);
      }
    }
  }

  private double[][] norm(double[][] x, String gainName) {
    double[] gain = weight(gainName);
    var result = new double[x.length][gain.length];
    for (int t = 0; t < x.length; t++) {
      double sum = 0;
      for (double value : x[t]) {
        sum += value * value;
      }
      double scale = 1 / Math.sqrt(sum / gain.length + config.rmsNormEpsilon());
      for (int i = 0; i < gain.length; i++) {
        result[t][i] = x[t][i] * scale * gain[i];
      }
    }
    return result;
  }

  private double[][] multiply(double[][] x, String matrixName, int outputs) {
    double[] matrix = weight(matrixName);
    String biasName = matrixName.replace(".weight", ".bias");
    double[] bias = weights.getOrDefault(biasName, new double[outputs]);
    var result = new double[x.length][outputs];
    for (int t = 0; t < x.length; t++) {
      for (int o = 0; o < outputs; o++) {
        result[t][o] = bias[o];
        for (int i = 0; i < x[t].length; i++) {
          result[t][o] += x[t][i] * matrix[o * x[t].length + i];
        }
      }
    }
    return result;
  }

  private static void add(double[][] x, double[][] y) {
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < x[t].length; i++) {
        x[t][i] += y[t][i];
      }
    }
  }

  /// Rows that share a configuration, for tests: small, with everything that can go wrong.
  public static ModelConfig smallConfig(
      int vocabSize, int layers, int keyValueHeads, boolean tied, PositionIds positionIds) {
    return ModelConfig.llama(
        vocabSize,
        12,
        layers,
        AttentionShape.llama(4, keyValueHeads, 6, Rope.plain(100)),
        10,
        1e-5,
        tied,
        64,
        positionIds,
        CharacterVocabulary.ARITHMETIC);
  }

  /// The same with everything that a family may have: biases everywhere, normed heads, and a window
  /// in every second block.
  public static ModelConfig fullConfig(int vocabSize, int layers, int keyValueHeads) {
    var windows = new ArrayList<Integer>();
    for (int l = 0; l < layers; l++) {
      windows.add(l % 2 == 0 ? 3 : 0);
    }
    return new ModelConfig(
        Family.QWEN3,
        vocabSize,
        12,
        layers,
        new AttentionShape(
            4,
            keyValueHeads,
            6,
            new Rope(100, new Rope.Scaling.Llama3(4, 1, 4, 32)),
            true,
            true,
            true,
            windows),
        10,
        true,
        1e-5,
        false,
        64,
        PositionIds.SEQUENTIAL,
        CharacterVocabulary.ARITHMETIC);
  }

  /// A decoder whose gains are not 1 and whose biases are not 0, so that a forgotten one is seen.
  public static Decoder decoderWithGains(ModelConfig config, long seed) {
    Decoder decoder = Decoder.initialize(config, new Initialization(0.8, true), seed);
    var random = new java.util.SplittableRandom(seed);
    for (Map.Entry<String, Tensor> entry : decoder.parameters().entrySet()) {
      boolean isBias = entry.getKey().endsWith(".bias");
      if (isBias || entry.getKey().endsWith("norm.weight")) {
        try (FloatPointer pointer = entry.getValue().data_ptr_float()) {
          for (long i = 0; i < entry.getValue().numel(); i++) {
            pointer.put(i, (float) (random.nextDouble(0.5, 1.5) - (isBias ? 1 : 0)));
          }
        }
      }
    }
    decoder.weightsChanged();
    return decoder;
  }

  /// Rows of several lengths.
  public static List<int[]> rows() {
    return List.of(
        new int[] {13, 3, 4, 10, 9, 1, 11, 2, 6, 0, 12},
        new int[] {13, 5, 10, 6, 11, 1, 1, 12},
        new int[] {13, 1, 2, 10, 3, 4, 11, 4, 6, 0, 12},
        new int[] {13, 7, 12});
  }
}
