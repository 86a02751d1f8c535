/// A whole run on one thread in virtual time: decider, shell, ledger, workers, learner and people,
/// with everything random from one seed. After every decision the laws of the design are checked on
/// the rows it wrote, and on what a witness outside saw.
@NullMarked
package io.gradus.core.run.simulation;

import org.jspecify.annotations.NullMarked;
