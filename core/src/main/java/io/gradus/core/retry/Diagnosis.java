package io.gradus.core.retry;

import java.util.List;

/// What usually is the matter when no coordinator can be reached, as far as the words of a failed
/// call tell. For people alone: nothing branches on it.
public final class Diagnosis {

  /// Words of a failure, and what to look at.
  private record Sign(String words, String question) {}

  private static final List<Sign> SIGNS =
      List.of(
          // Something answered, and not in HTTP/2.
          new Sign(
              "First received frame was not SETTINGS",
              "what answers there is no coordinator: is this the port of the coordinator?"),
          new Sign(
              "HTTP status code",
              "what answers there is no coordinator: is this the port of the coordinator?"),
          new Sign(
              "Method not found",
              "what answers there is no coordinator, or an older one: is this the port of the"
                  + " coordinator?"),
          new Sign(
              "Connection refused",
              "nothing listens there: is a coordinator running, on this port?"),
          new Sign("UnknownHost", "the name is not known here: is the address right?"),
          new Sign("Unable to resolve host", "the name is not known here: is the address right?"));

  private Diagnosis() {}

  /// `failure` with what to look at, where its words say so.
  public static String hinted(String failure) {
    return SIGNS.stream()
        .filter(sign -> failure.contains(sign.words()))
        .findFirst()
        .map(sign -> failure + "; " + sign.question())
        .orElse(failure);
  }
}
