package io.gradus.policy.text.jinja;

/// What is wrong with a value, on its way to whoever knows the line.
final class Problem extends RuntimeException {

  Problem(String message) {
    super(message, null, false, false);
  }
}
