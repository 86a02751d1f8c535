/// Batches between the wire and the optimizer: put together from frames, checked against their
/// digests, read into rows, split into optimizer steps.
///
/// What is trained is what was sampled: ids, masks, temperatures and logprobs are those of the
/// payload whose digest the ledger names, and a batch whose digest does not come out is refused
/// before a single row of it is looked at.
@NullMarked
package io.gradus.learner.batch;

import org.jspecify.annotations.NullMarked;
