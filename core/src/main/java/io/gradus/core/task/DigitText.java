package io.gradus.core.task;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.util.Arrays;

/// Builds text from digits; grows as needed.
final class DigitText {

  private byte[] bytes;
  private int length;

  DigitText(int capacity) {
    bytes = new byte[capacity];
  }

  DigitText digits(byte[] digits) {
    reserve(digits.length);
    for (byte digit : digits) {
      bytes[length++] = (byte) ('0' + digit);
    }
    return this;
  }

  DigitText zeros(int count) {
    reserve(count);
    Arrays.fill(bytes, length, length + count, (byte) '0');
    length += count;
    return this;
  }

  DigitText character(char character) {
    reserve(1);
    bytes[length++] = (byte) character;
    return this;
  }

  private void reserve(int more) {
    if (length + more > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(length + more, 2 * bytes.length));
    }
  }

  @Override
  public String toString() {
    return new String(bytes, 0, length, ISO_8859_1);
  }
}
