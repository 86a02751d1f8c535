/// How the slots of a pool of workers are shared among runs.
@NullMarked
package io.gradus.core.pool;

import org.jspecify.annotations.NullMarked;
