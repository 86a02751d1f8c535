package io.gradus.coordinator.ledger;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import java.nio.ByteBuffer;

/// The bytes that a worker submitted for a group under a lease; never rewritten by anybody.
public final class Payload {

  private final GroupId group;
  private final LeaseId lease;
  private final PayloadDigest digest;
  private final byte[] bytes;

  private Payload(GroupId group, LeaseId lease, PayloadDigest digest, byte[] bytes) {
    this.group = group;
    this.lease = lease;
    this.digest = digest;
    this.bytes = bytes;
  }

  /// Takes over `bytes`, which the caller must not change afterwards; `digest` is not checked.
  public static Payload of(GroupId group, LeaseId lease, PayloadDigest digest, byte[] bytes) {
    return new Payload(group, lease, digest, bytes);
  }

  public GroupId group() {
    return group;
  }

  public LeaseId lease() {
    return lease;
  }

  public PayloadDigest digest() {
    return digest;
  }

  public int size() {
    return bytes.length;
  }

  /// A read-only view.
  public ByteBuffer bytes() {
    return ByteBuffer.wrap(bytes).asReadOnlyBuffer();
  }

  byte[] array() {
    return bytes;
  }
}
