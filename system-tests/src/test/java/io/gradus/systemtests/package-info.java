/// Tests of whole processes: the real command on a real ledger, killed at bad moments.
@NullMarked
package io.gradus.systemtests;

import org.jspecify.annotations.NullMarked;
