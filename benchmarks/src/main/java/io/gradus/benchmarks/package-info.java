/// JMH benchmarks of what a run spends its time on, on the model of `examples/addition.yaml`.
@NullMarked
package io.gradus.benchmarks;

import org.jspecify.annotations.NullMarked;
