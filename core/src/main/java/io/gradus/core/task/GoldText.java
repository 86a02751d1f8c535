package io.gradus.core.task;

/// A prompt with the completion that warm-up teaches.
///
/// @param prompt text after BOS
/// @param completion text before EOS
public record GoldText(int stratum, String prompt, String completion) {

  public GoldText {
    if (stratum < 1 || prompt.isEmpty() || completion.isEmpty()) {
      throw new IllegalArgumentException(
          "not gold text: stratum %d, prompt \"%s\", completion \"%s\""
              .formatted(stratum, prompt, completion));
    }
  }
}
