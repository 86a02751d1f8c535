package io.gradus.core.group;

import java.util.regex.Pattern;

/// SHA-256 of a group's serialized payload, in lower-case hex.
public record PayloadDigest(String hex) {

  private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");

  public PayloadDigest {
    if (!HEX.matcher(hex).matches()) {
      throw new IllegalArgumentException("not a SHA-256 in lower-case hex: " + hex);
    }
  }
}
