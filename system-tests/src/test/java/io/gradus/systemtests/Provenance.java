package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.protobuf.ByteString;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.core.task.GoldBatch;
import io.gradus.core.task.GoldText;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What a policy learned from, told by its ledger: gold text up to a number of digits, made again
/// from its name, and beyond that nothing but its own unhinted samples, each of which is added up
/// here once more.
final class Provenance {

  private final LedgerTables ledger;
  private final Map<Integer, Character> characters = new TreeMap<>();

  /// @param tokenizer a checkpoint's `tokenizer.json`
  Provenance(LedgerTables ledger, JsonNode tokenizer) {
    this.ledger = ledger;
    tokenizer
        .path("model")
        .path("vocab")
        .properties()
        .forEach(entry -> {
          if (entry.getKey().length() == 1) {
            characters.put(entry.getValue().asInt(), entry.getKey().charAt(0));
          }
        });
  }

  /// Checks all of it.
  ///
  /// @param mostDigits digits of the numbers in gold text
  /// @return trajectories of its own that the policy learned from
  long check(int mostDigits) throws Exception {
    int longest = 0;
    for (String row :
        ledger.rows(
            """
            select generator, generator_version, gold_source, gold_seed, gold_first_index, gold_count,
              gold_first_stratum, gold_last_stratum
            from batch where generator is not null order by number\
            """)) {
      for (GoldText text : GoldBatch.sequences(range(row.split(" ", -1)))) {
        int digits = text.prompt().indexOf('+');
        assertThat(text.prompt()).as(row).matches("\\d{%d}\\+\\d{%d}=".formatted(digits, digits));
        assertThat(sum(text.prompt())).as(row).isEqualTo(text.completion());
        longest = Math.max(longest, digits);
      }
    }
    assertThat(longest).as("digits of the longest gold text").isEqualTo(mostDigits);
    assertThat(
            ledger.rows(
                """
                select number from batch b where generator is not null and exists
                  (select 1 from batch_use u where u.number = b.number and u.binding = b.binding)\
                """))
        .as("batches of gold text and samples together")
        .isEmpty();
    return checkSamples();
  }

  private static GoldRange range(String[] columns) {
    return new GoldRange(
        columns[0],
        Integer.parseInt(columns[1]),
        Integer.parseInt(columns[2]),
        Long.parseLong(columns[3]),
        Long.parseLong(columns[4]),
        Integer.parseInt(columns[5]),
        Integer.parseInt(columns[6]),
        Integer.parseInt(columns[7]));
  }

  private long checkSamples() throws Exception {
    List<String> rows =
        ledger.rows(
            """
            select u.group_id, u.member, g.purpose, %s, %s
            from (select distinct group_id, lease_id, member from batch_use) u
              left join rollout_group g on g.group_id = u.group_id
              left join payload p on p.group_id = u.group_id and p.lease_id = u.lease_id
            order by u.group_id, u.member\
            """
                .formatted(ledger.hex("g.digest"), ledger.hex("p.bytes")));
    for (String row : rows) {
      check(row.split(" ", -1));
    }
    return rows.size();
  }

  private void check(String[] columns) throws Exception {
    String name = "member %s of group %s".formatted(columns[1], columns[0]);
    assertThat(columns[2]).as(name).isEqualTo("TRAINING");
    byte[] bytes = HexFormat.of().parseHex(columns[4]);
    assertThat(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes)))
        .as(name)
        .isEqualTo(columns[3]);
    GroupPayload payload = GroupPayload.parseFrom(PayloadEncoding.message(ByteBuffer.wrap(bytes)));
    assertThat(payload.getHinted()).as(name).isFalse();
    Trajectory trajectory =
        payload.getTrajectoriesList().stream()
            .filter(each -> each.getMember() == Integer.parseInt(columns[1]))
            .findFirst()
            .orElseThrow();
    String prompt = text(payload.getPromptIds());
    assertThat(trajectory.getVerdict()).as(name).isEqualTo(Verdict.VERDICT_RIGHT);
    assertThat(text(trajectory.getCompletionIds()))
        .as("%s, prompt %s", name, prompt)
        .isEqualTo(sum(prompt));
    assertThat(trajectory.getSpansList())
        .as(name)
        .isNotEmpty()
        .allMatch(span -> span.getPolicyVersion() >= 1);
  }

  /// The characters of token ids; special tokens have none.
  private String text(ByteString ids) {
    IntBuffer tokens = ids.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
    var text = new StringBuilder();
    while (tokens.hasRemaining()) {
      Character character = characters.get(tokens.get());
      if (character != null) {
        text.append(character);
      }
    }
    return text.toString();
  }

  /// The right completion of `a+b=`, least significant digit first.
  private static String sum(String prompt) {
    int plus = prompt.indexOf('+');
    int equals = prompt.indexOf('=');
    BigInteger sum =
        number(prompt.substring(0, plus)).add(number(prompt.substring(plus + 1, equals)));
    var digits = new StringBuilder(sum.toString()).reverse();
    digits.repeat('0', plus + 1 - digits.length());
    return digits.toString();
  }

  private static BigInteger number(String reversed) {
    return new BigInteger(new StringBuilder(reversed).reverse().toString());
  }
}
