/// Which tasks are practised next: what is known of each stratum, and the weights that follow. The
/// posterior of a stratum moves once by every verified, unhinted training group, and by nothing
/// else (G5).
@NullMarked
package io.gradus.core.curriculum;

import org.jspecify.annotations.NullMarked;
