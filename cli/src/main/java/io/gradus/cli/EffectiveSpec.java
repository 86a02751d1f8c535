package io.gradus.cli;

import io.gradus.cli.spec.ReadSpec;
import io.gradus.cli.spec.Setting;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecReader;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.cli.spec.SpecWriter;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.coordinator.spec.SpecChecks;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.TaskFamily;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.ScratchModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;

/// A spec with every default filled in, checked whole, and where each value comes from.
final class EffectiveSpec {

  private static final int LONGEST_NAME = 40;

  /// Weights, gradients and both moments of AdamW, in fp32.
  private static final int BYTES_A_PARAMETER = 16;

  /// Floats that a backward pass keeps for each token, layer and unit of width, about: the inputs
  /// of two norms, of four projections, of attention, and of a gated feed-forward of 2.75 times the
  /// width.
  private static final int KEPT_FLOATS = 20;

  private final ReadSpec<RunSpec> read;
  private final RunSpec effective;

  private EffectiveSpec(ReadSpec<RunSpec> read, RunSpec effective) {
    this.read = read;
    this.effective = effective;
  }

  /// Reads `file` with `settings` laid over it.
  static EffectiveSpec read(Path file, List<Setting> settings) throws SpecRefusedException {
    ReadSpec<RunSpec> read = SpecReader.read(SpecKind.RUN, file, settings);
    RunSpec.Builder named = read.spec().toBuilder();
    if (named.getName().isEmpty()) {
      named.setName(nameOf(file));
    }
    RunSpec effective =
        SpecDefaults.fill(named.build(), Runtime.getRuntime().availableProcessors());
    SpecReader.refuse(
        read,
        SpecChecks.of(effective).stream()
            .map(problem -> new SpecReader.Problem(problem.path(), problem.message()))
            .toList());
    refuseMissingModel(read, effective);
    return new EffectiveSpec(read, effective);
  }

  private static void refuseMissingModel(ReadSpec<RunSpec> read, RunSpec effective)
      throws SpecRefusedException {
    if (!effective.getModel().hasDirectory()) {
      return;
    }
    Path directory = Path.of(effective.getModel().getDirectory());
    for (String needed : List.of("config.json", "model.safetensors")) {
      if (!Files.isReadable(directory.resolve(needed))) {
        SpecReader.refuse(
            read,
            List.of(
                new SpecReader.Problem(
                    "model.directory",
                    ("is %s, but there is no %s that can be read; name a directory in"
                            + " Hugging Face layout")
                        .formatted(directory, needed))));
      }
    }
  }

  /// The name of a run whose spec gives none: that of its file, as far as names may hold it.
  private static String nameOf(Path file) {
    String stem = String.valueOf(file.getFileName()).replaceFirst("\\.[^.]*$", "");
    String plain =
        stem.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceFirst("^[^a-z]+", "");
    String cut = plain.substring(0, Math.min(LONGEST_NAME, plain.length()));
    String name = cut.replaceFirst("-+$", "");
    return name.isEmpty() ? "run" : name;
  }

  /// The spec.
  RunSpec spec() {
    return effective;
  }

  /// The spec as YAML, with the origin of each value and what it amounts to.
  String explained() {
    return amounts() + SpecWriter.write(effective, path -> Optional.of(originOf(path)));
  }

  private String originOf(String path) {
    return read.wrote(path) ? read.originOf(path).brief() : "default";
  }

  private String amounts() {
    RunPlan plan = RunPlanMapper.planOf(effective);
    double tokens = completionTokens(plan);
    double sequences =
        effective.getObjective().hasStar()
            ? effective.getBatch().getGroups()
            : (double) effective.getBatch().getGroups() * effective.getRollout().getGroupSize();
    var text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "# A batch: %,.0f sequences, about %,.0f completion tokens (%.1f each over all"
                + " lengths).%n",
            sequences,
            sequences * tokens,
            tokens));
    if (effective.getModel().hasScratch()) {
      text.append(memory(effective.getModel().getScratch(), sequences, tokens));
    }
    return text.toString();
  }

  private String memory(ScratchModel model, double sequences, double tokens) {
    long parameters = parameters(model);
    int replicas = effective.getResources().getLearnerReplicas();
    // A prompt is about twice as long as its completion in these families.
    double positions = sequences * 3 * tokens;
    double activations =
        positions * model.getLayers() * model.getHiddenSize() * KEPT_FLOATS * Float.BYTES;
    double weights = (double) parameters * BYTES_A_PARAMETER * replicas;
    return String.format(
        Locale.ROOT,
        "# The policy: %,d parameters. Memory of tensors while learning: about %.0f MB of"
            + " weights,%n"
            + "# gradients and optimizer state in %d replicas, and %.0f MB of activations.%n",
        parameters,
        weights / 1e6,
        replicas,
        activations / 1e6);
  }

  static long parameters(ScratchModel model) {
    long width = model.getHiddenSize();
    long attention = (long) model.getHeads() * model.getHeadDim();
    long keys = (long) model.getKeyValueHeads() * model.getHeadDim();
    long vocabulary = model.getCharacters().codePoints().count() + 2;
    long layer =
        2 * width * attention
            + 2 * width * keys
            + 3 * width * model.getFeedForwardSize()
            + 2 * width;
    return model.getLayers() * layer
        + width
        + vocabulary * width * (model.getTiedEmbedding() ? 1 : 2);
  }

  /// Mean over sources and strata of what a right completion needs, with EOS.
  private static double completionTokens(RunPlan plan) {
    return plan.sources().stream()
        .flatMapToInt(source -> {
          TaskFamily family = TaskFamily.named(source.generator(), source.generatorVersion());
          return IntStream.rangeClosed(source.firstStratum(), source.lastStratum())
              .map(stratum -> family.goldLength(stratum) + 1);
        })
        .average()
        .orElse(0);
  }
}
