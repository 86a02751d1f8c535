/// What a worker knows of a run: the parts of its effective spec that sampling and verifying need.
@NullMarked
package io.gradus.worker.run;

import org.jspecify.annotations.NullMarked;
