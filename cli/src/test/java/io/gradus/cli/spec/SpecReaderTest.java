package io.gradus.cli.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.Duration;
import io.gradus.run.v1.ArithmeticFormat;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.StarWeights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SpecReaderTest {

  /// Nine lines; tests append blocks of their own from line 10 on.
  private static final String LEAST =
      """
      model:
        scratch: {}
      tasks:
        - addition: {last_digits: 12}
      objective:
        star:
          weights: balanced
      stop:
        wall_time: 5m
      """;

  @Test
  void readsNamesEnumsDurationsAndOneofs() throws Exception {
    RunSpec spec = read(LEAST + "seed: 7\nrollout: {lease_ttl: 1m30s, temperature: 1}\n").spec();

    assertThat(spec.getModel().hasScratch()).isTrue();
    assertThat(spec.getTasks(0).getAddition().getLastDigits()).isEqualTo(12);
    assertThat(spec.getObjective().getStar().getWeights())
        .isEqualTo(StarWeights.STAR_WEIGHTS_BALANCED);
    assertThat(spec.getStop().getWallTime().getSeconds()).isEqualTo(300);
    assertThat(spec.getRollout().getLeaseTtl())
        .isEqualTo(Duration.newBuilder().setSeconds(90).build());
    assertThat(spec.getSeed()).isEqualTo(7);
    assertThat(spec.getRollout().getTemperature()).isEqualTo(1.0);
  }

  @Test
  void acceptsTheJsonFormsOfEnumsDurationsAndLongs() throws Exception {
    RunSpec spec =
        read(LEAST.replace("balanced", "STAR_WEIGHTS_UNIFORM").replace("5m", "\"300.5s\"")
                + "seed: \"9007199254740991\"\n")
            .spec();

    assertThat(spec.getObjective().getStar().getWeights())
        .isEqualTo(StarWeights.STAR_WEIGHTS_UNIFORM);
    assertThat(spec.getStop().getWallTime())
        .isEqualTo(Duration.newBuilder().setSeconds(300).setNanos(500_000_000).build());
    assertThat(spec.getSeed()).isEqualTo(9007199254740991L);
  }

  @Test
  void leavesWhatIsNotWrittenUnset() throws Exception {
    ReadSpec<RunSpec> read = read(LEAST);

    assertThat(read.spec().hasRollout()).isFalse();
    assertThat(read.wrote("stop.wall_time")).isTrue();
    assertThat(read.wrote("stop.batches")).isFalse();
    assertThat(read.originOf("stop.batches").toString()).isEqualTo("x.yaml:8");
    assertThat(read.originOf("tasks[0].addition.last_digits").toString()).isEqualTo("x.yaml:4");
    assertThat(read.originOf("rollout.temperature").toString()).isEqualTo("x.yaml");
  }

  static Stream<Arguments> wrongSpecs() {
    return Stream.of(
        wrong(
            "rollout:\n  temprature: 1",
            "x.yaml:11: rollout.temprature: unknown field; did you mean temperature?"),
        wrong(
            "rollout: {maxTokens: 5}",
            "x.yaml:10: rollout.maxTokens: unknown field; did you mean max_tokens?"),
        wrong(
            "batch: {temperature: 1}",
            "x.yaml:10: batch.temperature: unknown field here; it belongs to rollout.temperature"),
        wrong(
            "wibble: 1", "x.yaml:10: wibble: unknown field; known here are name, model, warm_up,"),
        wrong(
            "rollout: {temperature: hot}",
            "x.yaml:10: rollout.temperature: is hot but must be a number from 0 to 10"),
        wrong(
            "rollout: {temperature: \"1\"}",
            "is \"1\" but must be a number from 0 to 10; leave out the quotes"),
        wrong(
            "rollout: {temperature: 11}",
            "x.yaml:10: rollout.temperature: is 11 but must be a number from 0 to 10"),
        wrong("rollout: {temperature: .nan}", "is .nan but must be a number from 0 to 10"),
        wrong("rollout: {temperature: 1e999}", "is 1e999 but must be a number from 0 to 10"),
        wrong(
            "batch: {groups: 1.5}",
            "x.yaml:10: batch.groups: is 1.5 but must be a whole number from 1 to 65536"),
        wrong(
            "batch: {groups: 0}",
            "x.yaml:10: batch.groups: is 0 but must be a whole number from 1 to 65536"),
        wrong(
            "batch: {groups: 99999999999}",
            "is 99999999999 but must be a whole number from 1 to 65536"),
        wrong("batch: {groups: 1e99999}", "is 1e99999 but must be a whole number from 1 to 65536"),
        wrong(
            "batch: {groups: [1]}",
            "x.yaml:10: batch.groups: is a list but must be a whole number"),
        wrong(
            "batch: 5",
            "x.yaml:10: batch: is 5 but must be a block with fields such as groups,"
                + " minibatches, epochs"),
        wrong(
            "warm_up:",
            "x.yaml:10: warm_up: is empty but must be a block with fields such as batches,"
                + " sequences, last_stratum; for all defaults write \"warm_up: {}\""),
        wrong(
            "rollout: {lease_ttl: 15}",
            "is 15 but must be a duration such as 15s or 10m; the unit is missing, did you"
                + " mean 15s?"),
        wrong(
            "rollout: {lease_ttl: 2h}",
            "x.yaml:10: rollout.lease_ttl: is 2h but must be a duration from 100ms to 1h"),
        wrong(
            "rollout: {schedule: lock-step}",
            "is lock-step but must be one of free, lockstep; did you mean lockstep?"),
        wrong(
            "rollout: {schedule: unspecified}", "is unspecified but must be one of free, lockstep"),
        wrong(
            "optimizer: {learning_rate: 0}",
            "x.yaml:10: optimizer.learning_rate: is 0 but must be a number above 0 and of"
                + " at most 1"),
        wrong(
            "rounds: {barrier: yes}",
            "x.yaml:10: rounds.barrier: is yes but must be true or false"),
        wrong("name: 12", "x.yaml:10: name: is 12 but must be a text; put it in quotes"),
        wrong("name: \"My Run\"", "x.yaml:10: name: is \"My Run\" but must match ^("),
        wrong(
            "seed: 9007199254740992",
            "x.yaml:10: seed: is 9007199254740992 but must be a whole number of at most"
                + " 9007199254740991"),
        wrong(
            "seed: -1",
            "x.yaml:10: seed: is -1 but must be a whole number of at most 9007199254740991"),
        wrong("stop: {batches: 1}", "x.yaml:10: stop: is given twice, first at x.yaml:8; keep one"),
        wrong(
            "rollout: &r {temperature: 1}\nbatch: *r",
            "x.yaml:11: the alias *r is refused; files are read without aliases"),
        wrong("seed: !!int 3", "x.yaml:10: the tag tag:yaml.org,2002:int is refused; leave it out"),
        wrong("rollout: {temperature: 1", "is not valid YAML here"),
        wrong("\tseed: 1", "x.yaml:10: is not valid YAML here"),
        wrong("---\nseed: 1", "x.yaml:10: a second document begins here; a file holds one"),
        wrong(
            "a: " + "[".repeat(100_000),
            "x.yaml:10: is nested more than 20 levels deep, which nothing here needs"),
        wrong(
            "? [a, b]\n: 1",
            "x.yaml:10: a list or block stands where the name of a field is expected"),
        wrong("seed: \"\\x00\"", "seed: is \"\0\" but must be a whole number"),
        wholly("", "x.yaml: is empty; a spec needs at least model, tasks, objective and stop"),
        wholly("# only a comment\n", "x.yaml: is empty"),
        wholly("- a\n- b\n", "x.yaml:1: holds a list where the fields of a run spec are expected"),
        wholly("hello", "x.yaml:1: holds hello where the fields of a run spec are expected"),
        wholly(
            "seed: 1\u0007", "x.yaml:1: holds the character U+0007, which no YAML file may hold"),
        wholly(
            LEAST.replace("  wall_time: 5m\n", "  digits_handled: 3\n"),
            "x.yaml:8: stop: must set batches or wall_time: a run needs a bound"),
        wholly(
            LEAST.replace("  scratch: {}\n", "  scratch: {}\n  directory: /m\n"),
            "x.yaml:3: model.directory: cannot stand beside scratch (x.yaml:2); keep one"
                + " of scratch, directory"),
        wholly(
            LEAST.replace("  scratch: {}", "  {}"),
            "x.yaml:1: model: needs one of scratch, directory"),
        wholly(
            LEAST.replace("- addition: {last_digits: 12}", "- {}"),
            "x.yaml:4: tasks[0]: needs one of addition, multiplication"),
        wholly(
            LEAST.replace("  - addition: {last_digits: 12}", "  addition: {}"),
            "x.yaml:3: tasks: is a block but must be a list; write \"- \" before each item"),
        wholly(
            LEAST.replace("objective:\n  star:\n    weights: balanced\n", ""),
            "x.yaml: objective: is missing; every spec needs it"),
        wholly(
            LEAST.replace("tasks:\n  - addition: {last_digits: 12}\n", "tasks: []\n"),
            "x.yaml:3: tasks: is missing; every spec needs it"),
        wholly(
            LEAST.replace("last_digits: 12", "last_digits: 101"),
            "x.yaml:4: tasks[0].addition.last_digits: is 101 but must be a whole number"
                + " from 1 to 100"));
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("wrongSpecs")
  void tellsPlaceFieldExpectationAndRemedy(String text, String expected) {
    var refusal = catchThrowableOfType(SpecRefusedException.class, () -> read(text));

    assertThat(refusal).as("the spec is refused").isNotNull();
    assertThat(refusal.faults()).hasSize(1);
    assertThat(refusal.faults().getFirst().toString()).contains(expected).doesNotContain("\n");
  }

  @Test
  void tellsAllFaultsAtOnceInTheOrderOfTheFile() {
    var refusal =
        catchThrowableOfType(
            SpecRefusedException.class,
            () -> read("wibble: 1\n" + LEAST + "batch: {groups: 0, epoch: 1}\nseed: x\n"));

    assertThat(refusal.faults().stream().map(SpecFault::path))
        .containsExactly("wibble", "batch.epoch", "batch.groups", "seed");
  }

  @Test
  void countsFaultsBeyondTheTwentieth() {
    var lines = new StringBuilder(LEAST);
    for (int i = 0; i < 100; i++) {
      lines.append("unknown%d: 1\n".formatted(i));
    }

    var refusal = catchThrowableOfType(SpecRefusedException.class, () -> read(lines.toString()));

    assertThat(refusal.faults()).hasSize(20);
    assertThat(refusal.faults().getLast().toString()).isEqualTo("x.yaml: 81 more faults");
  }

  @Test
  void laysSettingsOverTheFileInTheirOrder() throws Exception {
    ReadSpec<RunSpec> read =
        read(
            LEAST,
            "rollout.temperature=0.5",
            "tasks[0].addition.format=carry",
            "objective={grpo: {clip_low: 0.1}}",
            "seed=3",
            "seed=4");

    assertThat(read.spec().getRollout().getTemperature()).isEqualTo(0.5);
    assertThat(read.spec().getTasks(0).getAddition().getFormat())
        .isEqualTo(ArithmeticFormat.ARITHMETIC_FORMAT_CARRY);
    assertThat(read.spec().getTasks(0).getAddition().getLastDigits()).isEqualTo(12);
    assertThat(read.spec().getObjective().getGrpo().getClipLow()).isEqualTo(0.1);
    assertThat(read.spec().getSeed()).isEqualTo(4);
    assertThat(read.originOf("seed").toString()).isEqualTo("--set seed=4");
  }

  @Test
  void takesAFieldOutWithAnEmptySetting() throws Exception {
    assertThat(read(LEAST + "warm_up: {}\n", "warm_up=null").spec().hasWarmUp()).isFalse();
  }

  static Stream<Arguments> wrongSettings() {
    return Stream.of(
        Arguments.of(
            "rollout.temprature=1",
            "--set rollout.temprature=1: rollout.temprature: unknown field; did you mean"
                + " temperature?"),
        Arguments.of(
            "rollout.temperature=11",
            "--set rollout.temperature=11: rollout.temperature: is 11 but must be a number"
                + " from 0 to 10"),
        Arguments.of(
            "tasks[3].hinted_share=1",
            "--set tasks[3].hinted_share=1: names item 3 of a list of 1; items count from 0"),
        Arguments.of(
            "objective.grpo.clip_low=1",
            "objective.grpo: cannot stand beside star (x.yaml:6); keep one of star, grpo"),
        Arguments.of(
            "stop.wall_time.x=1",
            "stop.wall_time: is a block but must be a duration such as 15s or 10m"),
        Arguments.of("seed=[1", "--set seed=[1: is not valid YAML here"),
        Arguments.of(
            "seed",
            "--set seed: is not of the form path=value, such as --set rollout.temperature=0.8"),
        Arguments.of("=1", "--set =1: is not of the form path=value"),
        Arguments.of("a..b=1", "--set a..b=1: is not of the form path=value"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongSettings")
  void tellsWhichSettingIsWrong(String setting, String expected) {
    assertThatThrownBy(() -> read(LEAST, setting))
        .isInstanceOf(SpecRefusedException.class)
        .hasMessageContaining(expected)
        .message()
        .doesNotContain("\n");
  }

  private static Arguments wrong(String tail, String expected) {
    return Arguments.of(LEAST + tail + "\n", expected);
  }

  private static Arguments wholly(String text, String expected) {
    return Arguments.of(text, expected);
  }

  private static ReadSpec<RunSpec> read(String text, String... settings)
      throws SpecRefusedException {
    List<Setting> parsed = new ArrayList<>();
    for (String setting : Arrays.asList(settings)) {
      parsed.add(Setting.parse("--set", setting, SpecKind.RUN));
    }
    return SpecReader.read(SpecKind.RUN, text, new Origin.WholeFile("x.yaml"), parsed);
  }
}
