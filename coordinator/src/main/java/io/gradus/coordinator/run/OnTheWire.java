package io.gradus.coordinator.run;

/// Marks what may travel between nodes; bound to the CBOR serializer in reference.conf.
public interface OnTheWire {}
