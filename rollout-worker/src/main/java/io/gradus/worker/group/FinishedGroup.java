package io.gradus.worker.group;

import com.google.protobuf.ByteString;
import io.gradus.worker.lease.LeasedGroup;

/// A verified group as it is submitted. However often it is sent, the bytes are these.
///
/// @param payload the serialized GroupPayload, compressed where the coordinator takes that
/// @param sha256 digest of `payload`, 32 bytes
public record FinishedGroup(LeasedGroup group, ByteString payload, ByteString sha256) {}
