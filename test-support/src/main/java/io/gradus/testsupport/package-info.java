/// What tests of several modules share: whole runs that are played in one thread, from a seed.
@NullMarked
package io.gradus.testsupport;

import org.jspecify.annotations.NullMarked;
