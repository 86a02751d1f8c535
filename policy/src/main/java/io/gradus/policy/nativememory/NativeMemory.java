package io.gradus.policy.nativememory;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;

/// Loads libtorch with the settings that our ownership rules need, once a process.
///
/// Call [#load] before any other use of JavaCPP: its limits are read when its classes are
/// initialised. One thread per operation is not a limit but the plan: a model of 100,000 parameters
/// is slower with two (a 4096x128x128 product took 2.2 ms with one thread of OpenBLAS and 7.8 ms
/// with two), and parallelism comes from several owners instead.
public final class NativeMemory {

  private NativeMemory() {}

  /// Loads the native libraries, or does nothing if they are loaded.
  ///
  /// @throws IllegalStateException if JavaCPP was initialised earlier with other limits
  public static void load() {
    Loaded.check();
  }

  /// Makes the calling platform thread one that computes with a single native thread.
  public static void prepareThread() {
    prepareThread(1);
  }

  /// Makes the calling platform thread one that computes with so many native threads.
  public static void prepareThread(int threads) {
    if (Thread.currentThread().isVirtual()) {
      throw new IllegalStateException(
          "libtorch was called from the virtual thread "
              + Thread.currentThread().threadId()
              + "; gradient mode and thread counts belong to native threads, use a TorchThread");
    }
    load();
    torch.set_num_threads(threads);
  }

  /// Native bytes that JavaCPP objects hold now; tensors' own storage is not among them. 0 where
  /// [#pointerCount] is.
  public static long pointerBytes() {
    return Pointer.totalBytes();
  }

  /// Native objects that are reachable from Java now: the number a leak test compares.
  ///
  /// JavaCPP counts them only while its collector is on, so it is always 0 in production. The build
  /// turns the collector on for tests (`org.bytedeco.javacpp.nopointergc=false`), where it may free
  /// what a leak left behind and so hide an old leak, but not one that goes on; and what JavaCPP
  /// itself dropped while it loaded, so that a test asks for "not more than before".
  public static long pointerCount() {
    return Pointer.totalCount();
  }

  private static final class Loaded {

    static {
      set("org.bytedeco.javacpp.maxbytes", "0");
      set("org.bytedeco.javacpp.maxphysicalbytes", "0");
      set("org.bytedeco.javacpp.nopointergc", "true");
      Loader.load(torch.class);
      openblas_nolapack.blas_set_num_threads(1);
      torch.set_num_interop_threads(1);
      torch.set_num_threads(1);
    }

    private Loaded() {}

    static void check() {
      if (Pointer.maxPhysicalBytes() != 0) {
        throw new IllegalStateException(
            "JavaCPP limits physical memory to "
                + Pointer.maxPhysicalBytes()
                + " bytes, so it was initialised before NativeMemory.load(); call that first, or start"
                + " with -Dorg.bytedeco.javacpp.maxphysicalbytes=0");
      }
    }

    private static void set(String key, String value) {
      if (System.getProperty(key) == null) {
        System.setProperty(key, value);
      }
    }
  }
}
