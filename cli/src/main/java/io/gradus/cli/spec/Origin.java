package io.gradus.cli.spec;

/// Where a part of a spec comes from, as its author would name it.
public sealed interface Origin {

  /// The same to a reader who knows which file is meant.
  default String brief() {
    return toString();
  }

  /// A line of a file.
  ///
  /// @param line from 1
  record Line(String file, int line) implements Origin {
    public Line {
      if (line < 1) {
        throw new IllegalArgumentException("line is %d but lines count from 1".formatted(line));
      }
    }

    @Override
    public String toString() {
      return file + ":" + line;
    }

    @Override
    public String brief() {
      return "line " + line;
    }
  }

  /// A file, where no line can be named.
  record WholeFile(String file) implements Origin {
    @Override
    public String toString() {
      return file;
    }
  }

  /// A variable of the environment.
  record Variable(String name) implements Origin {
    @Override
    public String toString() {
      return name;
    }
  }

  /// An option of the command, such as `--set seed=2`.
  record Option(String text) implements Origin {
    @Override
    public String toString() {
      return text;
    }
  }
}
