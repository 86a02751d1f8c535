/// How long to wait between attempts.
@NullMarked
package io.gradus.core.retry;

import org.jspecify.annotations.NullMarked;
