/// A whole cluster of processes, and what can happen to it: a seed gives the faults, and what is
/// checked afterwards is what a witness outside of it heard.
@NullMarked
package io.gradus.systemtests.chaos;

import org.jspecify.annotations.NullMarked;
