@NullMarked
package io.gradus.worker.run;

import org.jspecify.annotations.NullMarked;
