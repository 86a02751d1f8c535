package io.gradus.policy.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// The tokenizer of a checkpoint, as its `tokenizer.json` describes it.
///
/// It owns native memory, which [#close] releases. Any thread may use it; closing waits for those
/// that do. The native library comes out of its jar: DJL's class of the same purpose is passed by,
/// since it cuts texts at 512 tokens and reports each use to a server of its makers.
public final class Tokenizer implements AutoCloseable {

  /// Special tokens in what [#decode(int[], Specials)] gives.
  public enum Specials {
    /// They read as `tokenizer.json` writes them.
    SHOWN,

    /// They leave no trace.
    SKIPPED
  }

  private static final String FILE = "tokenizer.json";
  private static final long MAX_FILE_BYTES = 64L << 20;

  private final Path file;
  private final Vocabulary vocabulary;
  private final SpecialTokens specialTokens;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private long handle; // Guarded by lock; 0 once closed.

  private Tokenizer(Path file, long handle, Vocabulary vocabulary, SpecialTokens specialTokens) {
    this.file = file;
    this.handle = handle;
    this.vocabulary = vocabulary;
    this.specialTokens = specialTokens;
  }

  /// The tokenizer of the checkpoint in `directory`, which the caller closes.
  public static Tokenizer open(Path directory) throws IOException {
    Path file = directory.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new DamagedCheckpointException(file, "is missing");
    }
    if (Files.size(file) > MAX_FILE_BYTES) {
      throw new DamagedCheckpointException(
          file, "has %d bytes but at most %d are read".formatted(Files.size(file), MAX_FILE_BYTES));
    }
    String json;
    try {
      json = Files.readString(file);
    } catch (CharacterCodingException e) {
      throw new DamagedCheckpointException(file, "is not UTF-8");
    }
    Vocabulary vocabulary = Vocabulary.read(file, json);
    SpecialTokens specialTokens = SpecialTokens.read(directory, vocabulary);
    long handle;
    try {
      handle = library().createTokenizerFromString(json);
    } catch (RuntimeException e) {
      throw new DamagedCheckpointException(file, "is no tokenizer: " + e.getMessage());
    }
    library().disableTruncation(handle);
    library().disablePadding(handle);
    return new Tokenizer(file, handle, vocabulary, specialTokens);
  }

  /// The binding, its library loaded.
  private static TokenizersLibrary library() {
    if (System.getProperty("ai.djl.offline") == null) {
      // Otherwise it would look for a build for the accelerator here, and download it.
      System.setProperty("ai.djl.offline", "true");
    }
    LibUtils.checkStatus();
    return TokenizersLibrary.LIB;
  }

  /// The ids of `text`; no BOS or other token is added, and special tokens in the text are taken
  /// for what they are.
  ///
  /// @throws IllegalArgumentException if half a surrogate pair is in `text`
  public int[] encode(String text) {
    refuseHalfCharacters(text);
    lock.readLock().lock();
    try {
      long encoding = library().encode(opened(), text, false);
      try {
        return Arrays.stream(library().getTokenIds(encoding)).mapToInt(Math::toIntExact).toArray();
      } finally {
        library().deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /// The text of `ids`. Bytes that are no UTF-8 become U+FFFD; ids without a token leave no trace.
  public String decode(int[] ids, Specials specials) {
    long[] wide =
        Arrays.stream(ids).filter(id -> isText(id, specials)).mapToLong(id -> id).toArray();
    lock.readLock().lock();
    try {
      return library().decode(opened(), wide, false);
    } finally {
      lock.readLock().unlock();
    }
  }

  /// Text of ids that come one after the other.
  public IncrementalDecoder decoder(Specials specials) {
    return new IncrementalDecoder(this, specials);
  }

  /// Whether `id` takes part in the decoded text.
  boolean isText(int id, Specials specials) {
    if (id < 0) {
      throw new IllegalArgumentException("token id is negative: " + id);
    }
    return vocabulary.isKnown(id) && (specials == Specials.SHOWN || !vocabulary.isSpecial(id));
  }

  Vocabulary vocabulary() {
    return vocabulary;
  }

  /// One more than the highest id; a model may have more rows than that.
  public int size() {
    return vocabulary.size();
  }

  /// Whether `tokenizer.json` calls `id` special.
  public boolean isSpecial(int id) {
    return vocabulary.isSpecial(id);
  }

  /// The ids with a role.
  public SpecialTokens specialTokens() {
    return specialTokens;
  }

  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (handle != 0) {
        library().deleteTokenizer(handle);
        handle = 0;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  private long opened() {
    if (handle == 0) {
      throw new IllegalStateException("the tokenizer of " + file + " is closed");
    }
    return handle;
  }

  private static void refuseHalfCharacters(String text) {
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int character = text.codePointAt(i);
      if (character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE) {
        throw new IllegalArgumentException(
            "half a character (U+%04X) at index %d of a text of %d"
                .formatted(character, i, text.length()));
      }
    }
  }
}
