package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.DecoderPass.Purpose;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/// Writes the logits of a checkpoint for `system-tests/scripts/transformers_logits.py`, which
/// compares them with those of another program. Run by
/// `system-tests/scripts/transformers-check.sh`.
class CheckpointLogitsTest {

  @Test
  @EnabledIfSystemProperty(named = "checkpoint", matches = ".+")
  void writesLogits() throws IOException {
    Path checkpoint = Path.of(System.getProperty("checkpoint"));
    Path target = Path.of(System.getProperty("logits"));
    var mapper = new ObjectMapper();
    ObjectNode json = mapper.createObjectNode();
    ArrayNode sequences = json.putArray("sequences");
    try (Decoder decoder = Decoder.load(checkpoint);
        FusedWeights weights = decoder.fused()) {
      CharacterVocabulary vocabulary = decoder.config().vocabulary();
      for (String text : texts()) {
        int[] ids = idsOf(vocabulary, text);
        ObjectNode sequence = sequences.addObject();
        ArrayNode idNodes = sequence.putArray("ids");
        ArrayNode positionNodes = sequence.putArray("position_ids");
        int run = 0;
        for (int at = 0; at < ids.length; at++) {
          idNodes.add(ids[at]);
          run = vocabulary.isDigit(ids[at]) ? run + 1 : 0;
          positionNodes.add(decoder.config().positionIds() == PositionIds.DIGIT_COUPLED ? run : at);
        }
        ArrayNode rows = sequence.putArray("logits");
        try (var _ = new PointerScope()) {
          PackedRows packed = PackedRows.of(decoder.config(), List.of(ids), new int[] {0});
          Tensor logits =
              weights.logits(new DecoderPass(weights, packed, Purpose.INFERENCE).forward());
          var flat = new float[(int) logits.numel()];
          new FloatPointer(logits.contiguous().data_ptr_float()).get(flat);
          int width = decoder.config().vocabSize();
          for (int row = 0; row < ids.length; row++) {
            ArrayNode values = rows.addArray();
            for (int column = 0; column < width; column++) {
              values.add(flat[row * width + column]);
            }
          }
        }
      }
    }
    Files.write(target, mapper.writeValueAsBytes(json));
    assertThat(target).isNotEmptyFile();
  }

  private static List<String> texts() {
    var random = new Random(7);
    var texts = new ArrayList<String>();
    for (int digits = 1; digits <= 14; digits++) {
      var text = new StringBuilder();
      for (char end : new char[] {'+', '='}) {
        random.ints(digits, 0, 10).forEach(text::append);
        text.append(end);
      }
      random.ints(digits + 1L, 0, 10).forEach(text::append);
      texts.add(text.toString());
    }
    return texts;
  }

  private static int[] idsOf(CharacterVocabulary vocabulary, String text) {
    int[] encoded = vocabulary.encode(text);
    var ids = new int[encoded.length + 1];
    ids[0] = vocabulary.bos();
    System.arraycopy(encoded, 0, ids, 1, encoded.length);
    return ids;
  }
}
