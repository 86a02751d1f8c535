package io.gradus.worker.engine;

import io.gradus.core.policy.Manifest;

/// Turns the weights of a checkpoint into something that samples.
public interface Engine extends AutoCloseable {

  /// Name for registrations, such as "libtorch".
  String name();

  /// Loads the weights that a manifest names, after checking them against its digests. The caller
  /// closes the result before the engine.
  ///
  /// @throws EngineException if the checkpoint is absent, damaged or of a kind that this engine
  ///   does not run
  LoadedPolicy load(Manifest manifest) throws EngineException;

  @Override
  void close();
}
