/// Checkpoints on disk in the Hugging Face layout, with a manifest of digests.
///
/// Files come from elsewhere and may be damaged or hostile: every length, offset, shape and name is
/// checked before it is used, and what is wrong is said with the name of the file. A checkpoint is
/// written under a temporary name, synced, renamed and never changed again.
@NullMarked
package io.gradus.policy.checkpoint;

import org.jspecify.annotations.NullMarked;
