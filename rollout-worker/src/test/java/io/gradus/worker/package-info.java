@NullMarked
package io.gradus.worker;

import org.jspecify.annotations.NullMarked;
