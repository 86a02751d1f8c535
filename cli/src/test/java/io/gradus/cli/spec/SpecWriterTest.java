package io.gradus.cli.spec;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import io.gradus.run.v1.RunSpec;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SpecWriterTest {

  static LongStream seeds() {
    Long replay = Long.getLong("seed");
    return replay != null ? LongStream.of(replay) : LongStream.range(0, 200);
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void writesWhatTheReaderReadsBack(long seed) throws Exception {
    RunSpec.Builder builder = RunSpec.newBuilder();
    fill(builder, new Random(seed));
    RunSpec spec = builder.build();

    String text = SpecWriter.write(spec);

    assertThat(
            SpecReader.parse(SpecKind.RUN, text, new Origin.WholeFile("x.yaml"), List.of()).spec())
        .as(text)
        .isEqualTo(spec);
  }

  @Test
  void putsCommentsBehindScalars() {
    String text =
        SpecWriter.write(
            RunSpec.newBuilder().setSeed(3).build(),
            path -> path.equals("seed") ? Optional.of("default") : Optional.empty());

    assertThat(text).isEqualTo("seed: 3" + " ".repeat(33) + "# default\n");
  }

  /// Sets about half of the fields, one of each oneof, to values of their type.
  private static void fill(Message.Builder into, RandomGenerator random) {
    for (FieldDescriptor field : into.getDescriptorForType().getFields()) {
      OneofDescriptor oneof = field.getRealContainingOneof();
      if ((oneof != null && into.hasOneof(oneof)) || random.nextInt(3) == 0) {
        continue;
      }
      if (field.isRepeated()) {
        for (int i = random.nextInt(3); i > 0; i--) {
          into.addRepeatedField(field, value(into, field, random));
        }
      } else {
        into.setField(field, value(into, field, random));
      }
    }
  }

  private static Object value(Message.Builder into, FieldDescriptor field, RandomGenerator random) {
    return switch (field.getJavaType()) {
      case INT -> random.nextInt();
      case LONG -> random.nextLong();
      case DOUBLE -> random.nextGaussian() * Math.pow(10, random.nextInt(-12, 12));
      case BOOLEAN -> random.nextBoolean();
      case STRING -> text(random);
      case ENUM -> {
        var values = field.getEnumType().getValues();
        yield values.get(1 + random.nextInt(values.size() - 1));
      }
      case MESSAGE -> {
        if (SpecReader.isDuration(field)) {
          yield Duration.newBuilder()
              .setSeconds(random.nextInt(100_000))
              .setNanos(random.nextInt(4) == 0 ? random.nextInt(1_000_000_000) : 0)
              .build();
        }
        Message.Builder block = into.newBuilderForField(field);
        fill(block, random);
        yield block.build();
      }
      default -> throw new IllegalStateException("no value for " + field);
    };
  }

  private static String text(RandomGenerator random) {
    String letters = "abz019-_./:#\"'\\ \n\t{}[]~!&*é\u2028\uFEFF😀";
    int[] points = letters.codePoints().toArray();
    var text = new StringBuilder();
    for (int i = 1 + random.nextInt(12); i > 0; i--) {
      text.appendCodePoint(points[random.nextInt(points.length)]);
    }
    return text.toString();
  }
}
