package io.gradus.core.group;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/*
 * Half the bytes of token ids are zeros, and log-probabilities of likely tokens share their first
 * bytes, so even the fastest level of zlib takes a payload down by a quarter to a half. Chosen over
 * better compressors because every language has it, and core is to know nothing but the JDK.
 */

/// The bytes of a payload: a serialized message, or a zlib stream (RFC 1950) of one.
///
/// A zlib stream of deflate with a window of 32 KiB begins with 0x78. In a serialized GroupPayload
/// that would be the tag of a number in field 15, which is reserved for this.
public final class PayloadEncoding {

  /// Below this many bytes what is saved is not worth a call.
  public static final int COMPRESSED_FROM_BYTES = 1024;

  /// A stream is kept if it is at least by this part of the message smaller.
  private static final int SAVES_AT_LEAST_ONE_IN = 10;

  /// Larger than any message that a coordinator admits.
  private static final int LARGEST_MESSAGE = 1 << 30;

  private static final byte ZLIB = 0x78;

  private PayloadEncoding() {}

  /// Bytes that are no stream, or one of something larger than may be.
  public static final class PayloadEncodingException extends Exception {

    private static final long serialVersionUID = 1L;

    private PayloadEncodingException(String message) {
      super(message);
    }
  }

  /// Compresses a message, where that makes it clearly smaller.
  ///
  /// @return a stream, or `message` itself
  public static byte[] compressed(byte[] message) {
    if (message.length < COMPRESSED_FROM_BYTES) {
      return message;
    }
    var room = new byte[message.length - message.length / SAVES_AT_LEAST_ONE_IN];
    var deflater = new Deflater(Deflater.BEST_SPEED);
    try {
      deflater.setInput(message);
      deflater.finish();
      int length = deflater.deflate(room);
      return deflater.finished() ? Arrays.copyOf(room, length) : message;
    } finally {
      deflater.end();
    }
  }

  /// Whether bytes are a stream rather than a message.
  public static boolean isCompressed(ByteBuffer bytes) {
    return bytes.hasRemaining() && bytes.get(bytes.position()) == ZLIB;
  }

  /// The message in `bytes` that were admitted, and so are of bounded size.
  public static ByteBuffer message(ByteBuffer bytes) throws PayloadEncodingException {
    return message(bytes, LARGEST_MESSAGE);
  }

  /// The message in `bytes`, which stay as they are.
  ///
  /// @param maxBytes most bytes that a message may have
  /// @return a buffer of its own, or `bytes` where they are the message themselves
  /// @throws PayloadEncodingException when the stream is damaged, ends early, has something behind
  ///   it, or holds more
  public static ByteBuffer message(ByteBuffer bytes, int maxBytes) throws PayloadEncodingException {
    if (!isCompressed(bytes)) {
      return bytes;
    }
    var inflater = new Inflater();
    try {
      inflater.setInput(bytes.duplicate());
      int most = Math.addExact(maxBytes, 1);
      var room = new byte[(int) Math.min(4L * bytes.remaining() + 64, most)];
      int length = 0;
      while (!inflater.finished()) {
        int more = inflater.inflate(room, length, room.length - length);
        length += more;
        if (length > maxBytes) {
          throw new PayloadEncodingException(
              "is a stream of more than %d bytes".formatted(maxBytes));
        }
        if (length == room.length) {
          room = Arrays.copyOf(room, (int) Math.min(2L * length, most));
        } else if (more == 0 && !inflater.finished()) {
          throw new PayloadEncodingException("is a stream that ends early");
        }
      }
      if (inflater.getRemaining() > 0) {
        throw new PayloadEncodingException(
            "has %d bytes behind its stream".formatted(inflater.getRemaining()));
      }
      return ByteBuffer.wrap(room, 0, length);
    } catch (DataFormatException damaged) {
      throw new PayloadEncodingException("is a damaged zlib stream: " + damaged.getMessage());
    } finally {
      inflater.end();
    }
  }
}
