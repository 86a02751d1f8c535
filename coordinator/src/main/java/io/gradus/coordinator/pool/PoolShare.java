package io.gradus.coordinator.pool;

/// What a run draws on.
///
/// @param pool name of the pool
/// @param share weight against the other runs of the pool
public record PoolShare(String pool, double share) {

  /// The pool of workers and runs that name none.
  public static final String DEFAULT_POOL = "default";
}
