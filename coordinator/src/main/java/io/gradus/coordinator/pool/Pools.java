package io.gradus.coordinator.pool;

import io.gradus.run.v1.Resources;

/// Which pool a run draws on, as its spec says.
public final class Pools {

  /// The pool of workers and runs that name none.
  public static final String DEFAULT = "default";

  private Pools() {}

  /// The pool of a run; specs of an older release name none.
  public static String nameOf(Resources resources) {
    return nameOf(resources.getPool());
  }

  /// The pool that a name means.
  public static String nameOf(String pool) {
    return pool.isEmpty() ? DEFAULT : pool;
  }

  /// The weight of a run against the others of its pool.
  public static double shareOf(Resources resources) {
    return resources.hasShare() ? resources.getShare() : 1;
  }
}
