/// The domain of Gradus: values and pure decisions. Knows nothing but the JDK.
@NullMarked
package io.gradus.core;

import org.jspecify.annotations.NullMarked;
