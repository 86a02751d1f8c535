@NullMarked
package io.gradus.coordinator.ledger;

import org.jspecify.annotations.NullMarked;
