/// Policy versions, their manifests, and the lineage of batches that leads to each (G3).
@NullMarked
package io.gradus.core.policy;

import org.jspecify.annotations.NullMarked;
