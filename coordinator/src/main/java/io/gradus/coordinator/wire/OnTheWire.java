package io.gradus.coordinator.wire;

/// Marks what may travel between nodes; bound to the CBOR serializer in reference.conf.
public interface OnTheWire {}
