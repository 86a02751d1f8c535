/// Engines sample completions. What they run on is their own affair; the worker sees prompts and
/// token ids. One thread calls an engine and everything it returned.
@NullMarked
package io.gradus.worker.engine;

import org.jspecify.annotations.NullMarked;
