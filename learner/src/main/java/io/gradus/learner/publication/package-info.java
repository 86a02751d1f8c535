/// Checkpoints: verified before they are loaded, checked before they are published, written by a
/// thread of their own.
///
/// A publication is a copy of the weights as they are after one batch, so that training goes on
/// while the files are written and synced; nothing is announced before it is whole on the disk.
@NullMarked
package io.gradus.learner.publication;

import org.jspecify.annotations.NullMarked;
