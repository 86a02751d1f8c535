package io.gradus.learner.chunks;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves the files of checkpoints over HTTP/1.1.
///
/// | request | answer |
/// |---|---|
/// | `GET /v1/runs/<run>/checkpoints/<checkpoint>/<file>` | the file; with `Range` a part of it (206, or 416 beyond its end) |
/// | `HEAD` of the same | the headers alone |
/// | `GET …/<file>/chunks` | [io.gradus.policy.checkpoint.ChunkDigests] as JSON |
/// | anything else | 404 or 405 |
///
/// `ETag` is the SHA-256 that the file was published with. Beyond its bounds the server answers 503
/// with `Retry-After`. A file that is not what was published is answered 500, with the reason.
///
/// Two threads move bytes with `sendfile`, two look files up, one digests; none waits for a peer.
public final class ChunkServer implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(ChunkServer.class);

  private static final int EVENT_THREADS = 2;
  private static final int LOOKUP_THREADS = 2;

  /// Files that may wait for the one thread that digests.
  private static final int DIGEST_QUEUE = 64;

  private static final int BACKLOG = 128;
  private static final int MAX_LINE_BYTES = 4096;
  private static final int MAX_HEADER_BYTES = 8192;

  /// What the connections share.
  ///
  /// Counters are atomic since connections live on several threads; who reads them may see some of
  /// a moment earlier.
  static final class Shared {

    final ChunkServerConfig config;
    final Catalog catalog;
    final Bandwidth bandwidth;
    final ExecutorService lookup;
    final ExecutorService digesting;
    final LongSupplier nanoTime;
    final AtomicInteger connections = new AtomicInteger();
    final AtomicLong requests = new AtomicLong();
    final AtomicLong documents = new AtomicLong();
    final AtomicLong refused = new AtomicLong();
    final AtomicLong sentBytes = new AtomicLong();

    /// Set once, when the server closes; each connection ends after the answer at hand.
    volatile boolean isDraining;

    private Shared(ChunkServerConfig config, LongSupplier nanoTime) {
      this.config = config;
      this.nanoTime = nanoTime;
      catalog = new Catalog(config.chunkBytes());
      bandwidth = new Bandwidth(config.maxBytesPerSecond(), nanoTime.getAsLong());
      lookup = executor("gradus-chunks-lookup", LOOKUP_THREADS, 2 * config.maxConnections());
      digesting = executor("gradus-chunks-digest", 1, DIGEST_QUEUE);
    }

    private static ExecutorService executor(String name, int threads, int queue) {
      return new ThreadPoolExecutor(
          threads,
          threads,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(queue),
          Thread.ofPlatform().daemon().name(name + "-", 0).factory());
    }
  }

  private final Shared shared;
  private final EventLoopGroup events;
  private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE, true);

  /// Small buffers for headers, counted to the byte; files need none.
  private final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(true);

  private final Channel listener;
  private final String base;

  /// Starts listening.
  ///
  /// @param nanoTime monotonic nanoseconds, `System::nanoTime`
  /// @throws IOException if the address cannot be listened on
  public ChunkServer(ChunkServerConfig config, LongSupplier nanoTime) throws IOException {
    shared = new Shared(config, nanoTime);
    events =
        new MultiThreadIoEventLoopGroup(
            EVENT_THREADS,
            new DefaultThreadFactory("gradus-chunks", true),
            NioIoHandler.newFactory());
    var bind =
        new ServerBootstrap()
            .group(events)
            .channel(NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, BACKLOG)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.AUTO_READ, false)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(ChannelOption.ALLOCATOR, allocator)
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    accept(channel);
                  }
                })
            .bind(config.host(), config.port())
            .awaitUninterruptibly();
    if (!bind.isSuccess()) {
      stopThreads();
      throw new IOException(
          "the chunk server cannot listen on %s port %d: %s"
              .formatted(config.host(), config.port(), bind.cause().getMessage()),
          bind.cause());
    }
    listener = bind.channel();
    base = config.base((InetSocketAddress) listener.localAddress());
    log.atInfo()
        .addKeyValue("address", listener.localAddress())
        .addKeyValue("advertised", base)
        .log("checkpoints are served");
  }

  private void accept(SocketChannel channel) {
    int connections = shared.connections.incrementAndGet();
    var _ = channel.closeFuture().addListener(_ -> shared.connections.decrementAndGet());
    int most = shared.config.maxConnections();
    if (connections > 2 * most) {
      // Not even a refusal: those who are told to come again are bounded too.
      shared.refused.incrementAndGet();
      var _ = channel.close();
      return;
    }
    open.add(channel);
    channel
        .pipeline()
        .addLast(new HttpServerCodec(MAX_LINE_BYTES, MAX_HEADER_BYTES, MAX_HEADER_BYTES))
        .addLast(new FlowControlHandler())
        .addLast(new ChunkConnection(shared, connections > most));
  }

  /// Where a run's checkpoints are: a file is at `<this>/<checkpoint>/<file>`.
  public String uriOf(String run) {
    return "%s/v1/runs/%s/checkpoints".formatted(base, run);
  }

  /// Makes the checkpoints of a run readable.
  ///
  /// @param store the directory that they are in
  public void serve(String run, Path store) {
    shared.catalog.serve(run, store);
  }

  /// What it has done and holds.
  public ChunkServerFigures figures() {
    return new ChunkServerFigures(
        shared.connections.get(),
        shared.requests.get(),
        shared.documents.get(),
        shared.refused.get(),
        shared.sentBytes.get(),
        allocator.metric().usedDirectMemory());
  }

  /// Takes no further requests, lets answers under way finish for a bounded time, and ends.
  @Override
  public void close() {
    shared.isDraining = true;
    var _ = listener.close().awaitUninterruptibly(1, TimeUnit.SECONDS);
    open.forEach(channel -> channel.pipeline().fireUserEventTriggered(new ChunkConnection.Drain()));
    boolean isDrained =
        open.newCloseFuture()
            .awaitUninterruptibly(shared.config.drainTimeout().toNanos(), TimeUnit.NANOSECONDS);
    if (!isDrained) {
      log.atWarn()
          .addKeyValue("connections", open.size())
          .addKeyValue("timeout", shared.config.drainTimeout())
          .log("answers under way are cut off; workers go on with what they have");
      var _ = open.close().awaitUninterruptibly(1, TimeUnit.SECONDS);
    }
    stopThreads();
  }

  private void stopThreads() {
    shared.lookup.shutdownNow();
    shared.digesting.shutdownNow();
    var _ =
        events.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
  }
}
