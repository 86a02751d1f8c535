/// Load for a coordinator, and what it is compared with: workers and learners that speak the real
/// protocol and have no engine, and clients that only insert.
@NullMarked
package io.gradus.benchmarks.load;

import org.jspecify.annotations.NullMarked;
