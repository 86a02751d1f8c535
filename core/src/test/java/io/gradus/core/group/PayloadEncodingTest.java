package io.gradus.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.gradus.core.group.PayloadEncoding.PayloadEncodingException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;

class PayloadEncodingTest {

  private static final int MOST = 1 << 20;

  private static byte[] message(ByteBuffer bytes, int most) throws PayloadEncodingException {
    ByteBuffer message = PayloadEncoding.message(bytes, most);
    var copy = new byte[message.remaining()];
    message.get(copy);
    return copy;
  }

  /// Token ids and log-probabilities, as in a payload, behind the tag of its first field.
  private static byte[] payload(SplittableRandom random, int tokens) {
    ByteBuffer bytes = ByteBuffer.allocate(1 + 8 * tokens).put((byte) 0x0a);
    for (int token = 0; token < tokens; token++) {
      bytes.putInt(Integer.reverseBytes(random.nextInt(32_000)));
    }
    for (int token = 0; token < tokens; token++) {
      bytes.putFloat((float) Math.log(random.nextDouble()));
    }
    return bytes.array();
  }

  @Test
  void givesBackWhatItWasGiven() throws PayloadEncodingException {
    var random = new SplittableRandom(1);
    for (int trial = 0; trial < 2000; trial++) {
      byte[] bytes = payload(random, random.nextInt(1, 1000));

      byte[] encoded = PayloadEncoding.compressed(bytes);

      assertThat(message(ByteBuffer.wrap(encoded), MOST)).isEqualTo(bytes);
      assertThat(message(ByteBuffer.wrap(encoded), bytes.length)).isEqualTo(bytes);
      boolean isSmall = bytes.length < PayloadEncoding.COMPRESSED_FROM_BYTES;
      assertThat(PayloadEncoding.isCompressed(ByteBuffer.wrap(encoded))).isEqualTo(!isSmall);
      assertThat(encoded.length)
          .isLessThanOrEqualTo(isSmall ? bytes.length : bytes.length - bytes.length / 10);
    }
  }

  @Test
  void leavesWhatDoesNotBecomeSmaller() {
    var noise = new byte[4000];
    new SplittableRandom(2).nextBytes(noise);

    assertThat(PayloadEncoding.compressed(noise)).isSameAs(noise);
  }

  @Test
  void readsOnFromWhereABufferStands() throws PayloadEncodingException {
    byte[] bytes = payload(new SplittableRandom(3), 500);
    byte[] encoded = PayloadEncoding.compressed(bytes);
    ByteBuffer behind =
        ByteBuffer.allocate(encoded.length + 3).position(3).put(encoded).position(3);

    assertThat(message(behind.asReadOnlyBuffer(), MOST)).isEqualTo(bytes);
    assertThat(behind.position()).isEqualTo(3);
  }

  @Test
  void refusesMoreThanItMayHold() {
    byte[] bomb = PayloadEncoding.compressed(new byte[50_000_000]);
    assertThat(bomb.length).isLessThan(500_000);

    assertRefused(bomb, "is a stream of more than 1048576 bytes");
    assertRefused(
        PayloadEncoding.compressed(new byte[MOST + 1]), "is a stream of more than 1048576 bytes");
  }

  @Test
  void refusesStreamsThatAreNotWhole() {
    byte[] encoded = PayloadEncoding.compressed(payload(new SplittableRandom(4), 500));
    var random = new SplittableRandom(5);
    for (int trial = 0; trial < 500; trial++) {
      assertRefused(Arrays.copyOf(encoded, random.nextInt(1, encoded.length)), "");
      byte[] changed = encoded.clone();
      changed[random.nextInt(1, encoded.length)] ^= (byte) (1 << random.nextInt(8));
      assertRefused(changed, "");
    }
    assertRefused(Arrays.copyOf(encoded, encoded.length + 1), "has 1 bytes behind its stream");
  }

  @Test
  void refusesAStreamThatNeedsADictionary() {
    var deflater = new Deflater();
    try {
      deflater.setDictionary(new byte[] {1, 2, 3});
      deflater.setInput(new byte[100]);
      deflater.finish();
      var stream = new byte[200];
      assertRefused(Arrays.copyOf(stream, deflater.deflate(stream)), "ends early");
    } finally {
      deflater.end();
    }
  }

  private static void assertRefused(byte[] bytes, String problem) {
    assertThatExceptionOfType(PayloadEncodingException.class)
        .isThrownBy(() -> PayloadEncoding.message(ByteBuffer.wrap(bytes), MOST))
        .withMessageContaining(problem);
  }
}
