@org.jspecify.annotations.NullMarked
package io.gradus.worker.engine.libtorch;
