package io.gradus.cli.spec;

import com.google.protobuf.Message;
import java.util.Map;

/// What was read, with the place of every field that was written in it.
public final class ReadSpec<M extends Message> {

  private final M spec;
  private final Origin whole;
  private final Map<String, Origin> originsByPath;

  ReadSpec(M spec, Origin whole, Map<String, Origin> originsByPath) {
    this.spec = spec;
    this.whole = whole;
    this.originsByPath = Map.copyOf(originsByPath);
  }

  /// What was written, without defaults.
  public M spec() {
    return spec;
  }

  /// Whether the field at `path` was written, rather than left to its default.
  public boolean wrote(String path) {
    return originsByPath.containsKey(path);
  }

  /// Where the field at `path` was written; for one that was not, the nearest block around it.
  public Origin originOf(String path) {
    String at = path;
    while (!at.isEmpty()) {
      Origin origin = originsByPath.get(at);
      if (origin != null) {
        return origin;
      }
      at = at.substring(0, Math.max(0, Math.max(at.lastIndexOf('.'), at.lastIndexOf('['))));
    }
    return whole;
  }
}
