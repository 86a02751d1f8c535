package io.gradus.policy.sampling;

import io.gradus.policy.Decoder;
import io.gradus.policy.DecodingState;
import io.gradus.policy.FusedWeights;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PackedRows;
import io.gradus.policy.nativememory.NativeMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/// Samples completions from a decoder that it borrows, on the one platform thread that calls it.
///
/// Requests of like prompt length are decoded together, a prompt that several requests share is run
/// once, finished rows leave the batch, and noise comes from each request's key: what a request
/// gets does not depend on the others, up to the rounding of matrix products of another size.
/// Tokens are drawn by the Gumbel-max rule: the argmax of `logit / temperature − ln(−ln u)` has the
/// softmax distribution.
public final class Sampler implements AutoCloseable {

  /// Rows beyond this do not fit the caches of a core and slow each other down.
  private static final int DEFAULT_MAX_ROWS = 256;

  private final Decoder decoder;
  private final ModelConfig config;
  private final int maxRows;
  private @Nullable FusedWeights fused;
  private long fusedVersion;

  public Sampler(Decoder decoder) {
    this(decoder, DEFAULT_MAX_ROWS);
  }

  /// A sampler that decodes at most `maxRows` rows at a time.
  public Sampler(Decoder decoder, int maxRows) {
    this.decoder = decoder;
    this.maxRows = maxRows;
    config = decoder.config();
  }

  /// Samples one completion a request, in the order of the requests.
  ///
  /// @param aborted asked before every token; once it says yes, everything is dropped
  /// @throws CancellationException if `aborted` said yes
  public List<Completion> sample(
      List<SamplingRequest> requests, SamplingParameters parameters, BooleanSupplier aborted) {
    NativeMemory.prepareThread();
    var byLength = new Integer[requests.size()];
    for (int i = 0; i < byLength.length; i++) {
      byLength[i] = i;
      int length = requests.get(i).promptIds().length;
      int limit = requests.get(i).maxTokens();
      if (length + limit > config.maxPositions()) {
        throw new IllegalArgumentException(
            "a prompt of %d tokens and a completion of up to %d do not fit %d positions"
                .formatted(length, limit, config.maxPositions()));
      }
    }
    Arrays.sort(byLength, Comparator.comparingInt(i -> requests.get(i).promptIds().length));
    var completions = new Completion[requests.size()];
    FusedWeights weights = weights();
    for (int start = 0; start < byLength.length; start += maxRows) {
      List<Integer> chunk =
          List.of(byLength).subList(start, Math.min(byLength.length, start + maxRows));
      try (var batch = new Batch(weights, requests, chunk, parameters)) {
        batch.run(aborted, completions);
      }
    }
    return List.of(completions);
  }

  @Override
  public void close() {
    if (fused != null) {
      fused.close();
      fused = null;
    }
  }

  private FusedWeights weights() {
    FusedWeights current = fused;
    if (current != null && fusedVersion == decoder.weightsVersion()) {
      return current;
    }
    close();
    fusedVersion = decoder.weightsVersion();
    FusedWeights fresh = decoder.fused();
    fused = fresh;
    return fresh;
  }

  /// A row that is still being decoded.
  private static final class Row {
    private final int request;
    private final long key;
    private final int promptLength;
    private final int[] ids;
    private final float[] logprobs;
    private final float[] filteredLogprobs;
    private int count;
    private int position;
    private boolean finished;

    Row(int index, SamplingRequest request, int position, boolean isFiltered) {
      this.request = index;
      key = request.key().row();
      promptLength = request.promptIds().length;
      int limit = request.maxTokens();
      this.position = position;
      ids = new int[limit];
      logprobs = new float[limit];
      filteredLogprobs = new float[isFiltered ? limit : 0];
    }
  }

  /// Rows that are decoded in step, those of shorter prompts first.
  private final class Batch implements AutoCloseable {
    private final SamplingParameters parameters;
    private final TokenFilter filter;
    private final FusedWeights weights;
    private final List<int[]> prompts = new ArrayList<>();
    private final int[] promptOfRow;
    private List<Row> rows = new ArrayList<>();
    private @Nullable DecodingState state;

    Batch(
        FusedWeights weights,
        List<SamplingRequest> requests,
        List<Integer> chunk,
        SamplingParameters parameters) {
      this.weights = weights;
      this.parameters = parameters;
      filter = new TokenFilter(parameters);
      promptOfRow = new int[chunk.size()];
      Map<List<Integer>, Integer> known = new LinkedHashMap<>();
      for (int i = 0; i < promptOfRow.length; i++) {
        SamplingRequest request = requests.get(chunk.get(i));
        int[] prompt = request.promptIds();
        List<Integer> identity = Arrays.stream(prompt).boxed().toList();
        promptOfRow[i] =
            known.computeIfAbsent(
                identity,
                _ -> {
                  prompts.add(prompt);
                  return prompts.size() - 1;
                });
        int position = 0;
        for (int t = 0; t < prompt.length; t++) {
          position = PackedRows.nextPosition(config, prompt[t], position, t);
        }
        rows.add(new Row(chunk.get(i), request, position, parameters.isFiltered()));
      }
    }

    void run(BooleanSupplier aborted, Completion[] completions) {
      refuseIfAborted(aborted);
      try (var _ = new PointerScope();
          var _ = new NoGradGuard()) {
        DecodingState.Prefill prefill = DecodingState.prefill(weights, prompts, promptOfRow);
        state = prefill.state();
        draw(prefill.logitsBV(), 0);
      }
      for (int token = 1; dropFinished(completions); token++) {
        refuseIfAborted(aborted);
        step(token);
      }
    }

    private void step(int token) {
      DecodingState decoding = state;
      if (decoding == null) {
        throw new IllegalStateException("a batch was stepped before its prompts were run");
      }
      var ids = new long[rows.size()];
      var positions = new long[rows.size()];
      for (int i = 0; i < ids.length; i++) {
        Row row = rows.get(i);
        int id = row.ids[row.count - 1];
        if (!row.finished) {
          row.position =
              PackedRows.nextPosition(config, id, row.position, row.promptLength + row.count - 1);
        }
        ids[i] = id;
        positions[i] = row.position;
      }
      try (var _ = new PointerScope();
          var _ = new NoGradGuard()) {
        draw(decoding.step(ids, positions), token);
      }
    }

    /// Takes one token for every row.
    private void draw(Tensor logitsBV, int token) {
      boolean scaled = !parameters.isGreedy() && parameters.temperature() != 1;
      Tensor logits = scaled ? logitsBV.div(new Scalar(parameters.temperature())) : logitsBV;
      Tensor logprobs = logits.log_softmax(-1);
      Tensor allowed = filter.apply(logprobs);
      Tensor choice =
          (parameters.isGreedy() ? allowed : allowed.add(gumbel(token)))
              .argmax(new LongOptional(-1), true);
      float[] chosen = floats(logprobs.gather(-1, choice));
      float[] chosenFiltered =
          parameters.isFiltered()
              ? floats(allowed.log_softmax(-1).gather(-1, choice))
              : new float[0];
      var ids = new long[rows.size()];
      new LongPointer(choice.data_ptr_long()).get(ids);
      int eos = config.vocabulary().eos();
      for (int i = 0; i < ids.length; i++) {
        Row row = rows.get(i);
        if (row.finished) {
          continue; // It stays until enough have finished; what it decodes is not looked at.
        }
        row.ids[token] = (int) ids[i];
        row.logprobs[token] = chosen[i];
        if (parameters.isFiltered()) {
          row.filteredLogprobs[token] = chosenFiltered[i];
        }
        row.count = token + 1;
        row.finished = ids[i] == eos || row.count == row.ids.length;
      }
    }

    /// `−ln(−ln(1 − u))` with u of each row's key.
    private Tensor gumbel(int token) {
      int vocabulary = config.vocabSize();
      var uniform = new float[rows.size() * vocabulary];
      for (int i = 0; i < rows.size(); i++) {
        SampleKey.fillUniform(rows.get(i).key, token, uniform, i * vocabulary, vocabulary);
      }
      return Tensor.create(uniform, rows.size(), vocabulary).neg_().log1p_().neg_().log_().neg_();
    }

    /// Hands out finished rows, once they are a quarter of the batch or all of it; says whether any
    /// row goes on.
    private boolean dropFinished(Completion[] completions) {
      int finished = 0;
      for (Row row : rows) {
        finished += row.finished ? 1 : 0;
      }
      if (finished < rows.size() && finished * 4 < rows.size()) {
        return true;
      }
      List<Row> going = new ArrayList<>();
      var kept = new int[rows.size() - finished];
      for (int i = 0; i < rows.size(); i++) {
        Row row = rows.get(i);
        if (!row.finished) {
          kept[going.size()] = i;
          going.add(row);
        } else {
          completions[row.request] = completion(row);
        }
      }
      rows = going;
      if (kept.length > 0 && state != null) {
        state.keep(kept);
      }
      return kept.length > 0;
    }

    private Completion completion(Row row) {
      boolean ended = row.ids[row.count - 1] == config.vocabulary().eos();
      return new Completion(
          Arrays.copyOf(row.ids, row.count),
          Arrays.copyOf(row.logprobs, row.count),
          Arrays.copyOf(row.filteredLogprobs, parameters.isFiltered() ? row.count : 0),
          ended ? FinishReason.EOS : FinishReason.LENGTH);
    }

    @Override
    public void close() {
      if (state != null) {
        state.close();
      }
    }

    private static void refuseIfAborted(BooleanSupplier aborted) {
      if (aborted.getAsBoolean()) {
        throw new CancellationException("sampling was aborted");
      }
    }

    private static float[] floats(Tensor tensor) {
      var values = new float[Math.toIntExact(tensor.numel())];
      new FloatPointer(tensor.contiguous().data_ptr_float()).get(values);
      return values;
    }
  }
}
