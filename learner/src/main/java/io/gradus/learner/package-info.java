/// The learner: applies the batches of a run in order and publishes the weights that come of it.
///
/// It keeps nothing that a crash may not take: the ledger names the checkpoint to go on from and
/// the batches to apply after it, by number. What it announces is whole on the disk, and holds
/// exactly the batches that it reported before.
@NullMarked
package io.gradus.learner;

import org.jspecify.annotations.NullMarked;
