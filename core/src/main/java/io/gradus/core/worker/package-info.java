/// Workers as such, whatever they sample: which of them a coordinator can talk to.
@NullMarked
package io.gradus.core.worker;

import org.jspecify.annotations.NullMarked;
