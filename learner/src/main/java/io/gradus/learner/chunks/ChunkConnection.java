package io.gradus.learner.chunks;

import static io.netty.handler.codec.http.HttpHeaderNames.ACCEPT_RANGES;
import static io.netty.handler.codec.http.HttpHeaderNames.ALLOW;
import static io.netty.handler.codec.http.HttpHeaderNames.CONNECTION;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_LENGTH;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_RANGE;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_TYPE;
import static io.netty.handler.codec.http.HttpHeaderNames.ETAG;
import static io.netty.handler.codec.http.HttpHeaderNames.IF_RANGE;
import static io.netty.handler.codec.http.HttpHeaderNames.RANGE;
import static io.netty.handler.codec.http.HttpHeaderNames.RETRY_AFTER;
import static io.netty.handler.codec.http.HttpVersion.HTTP_1_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.learner.chunks.Catalog.Published;
import io.gradus.learner.chunks.Catalog.Target;
import io.gradus.policy.checkpoint.ChunkDigests;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.DefaultFileRegion;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One connection: a request, its answer, the next request.
///
/// | state | until | then |
/// |---|---|---|
/// | reading | a whole request is there | looking up |
/// | reading | the idle time-out, or the server drains | closed |
/// | looking up | the file or its digests are there, or the reason why not | sending |
/// | sending | everything was accepted | reading; closed if the peer or the server wants that |
/// | sending | a slice was not accepted in time | closed |
///
/// It reads from the socket in the first state alone, so that whoever sends request after request
/// waits in their own buffers. Everything happens on the connection's event loop but looking up.
final class ChunkConnection extends SimpleChannelInboundHandler<HttpObject> {

  /// The server closes: end after the answer at hand.
  record Drain() {}

  private static final Logger log = LoggerFactory.getLogger(ChunkConnection.class);

  /// Bytes after whose acceptance the write time-out starts anew.
  private static final int SLICE_BYTES = 1 << 20;

  private static final int RETRY_AFTER_SECONDS = 1;

  private final ChunkServer.Shared shared;
  private final boolean isRefused;
  private @Nullable HttpRequest request;
  private @Nullable Future<?> timer;
  private @Nullable FileChannel file;

  /// Whether an answer is under way.
  private boolean isBusy;

  private boolean isLast;

  /// @param isRefused one too many: whatever it asks, it is told to come again
  ChunkConnection(ChunkServer.Shared shared, boolean isRefused) {
    this.shared = shared;
    this.isRefused = isRefused;
  }

  @Override
  public void channelActive(ChannelHandlerContext context) {
    awaitRequest(context);
  }

  private void awaitRequest(ChannelHandlerContext context) {
    isBusy = false;
    if (shared.isDraining) {
      end(context);
      return;
    }
    limit(context, shared.config.idleTimeout(), "no request came in time");
    context.read();
  }

  /// Closes the connection after so long, unless the timer is set anew or stopped.
  private void limit(ChannelHandlerContext context, Duration limit, String why) {
    stopTimer();
    timer =
        context
            .executor()
            .schedule(
                () -> {
                  log.atDebug()
                      .addKeyValue("peer", context.channel().remoteAddress())
                      .addKeyValue("limit", limit)
                      .log(why);
                  end(context);
                },
                limit.toNanos(),
                NANOSECONDS);
  }

  private static void end(ChannelHandlerContext context) {
    var _ = context.close();
  }

  private void stopTimer() {
    Future<?> running = timer;
    if (running != null) {
      running.cancel(false);
      timer = null;
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) {
    if (event instanceof Drain && !isBusy) {
      end(context);
    }
  }

  @Override
  protected void channelRead0(ChannelHandlerContext context, HttpObject message) {
    if (message.decoderResult().isFailure()) {
      isLast = true;
      refuse(context, HttpResponseStatus.BAD_REQUEST, "the request is malformed");
      return;
    }
    if (message instanceof HttpRequest head) {
      request = head;
    }
    if (message instanceof HttpContent body && body.content().isReadable()) {
      isLast = true;
      refuse(context, HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE, "a request has no body here");
      return;
    }
    HttpRequest whole = request;
    if (message instanceof LastHttpContent && whole != null) {
      request = null;
      answer(context, whole);
    } else {
      context.read();
    }
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    if (!isBusy) {
      // What has come is not a whole request yet.
      context.read();
    }
  }

  private void answer(ChannelHandlerContext context, HttpRequest asked) {
    isBusy = true;
    stopTimer();
    isLast = !HttpUtil.isKeepAlive(asked);
    if (isRefused) {
      isLast = true;
      comeAgain(context, "the server has all the connections that it takes");
      return;
    }
    boolean isHead = asked.method().equals(HttpMethod.HEAD);
    if (!isHead && !asked.method().equals(HttpMethod.GET)) {
      refuse(context, HttpResponseStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served");
      return;
    }
    Optional<Target> target = Target.of(asked.uri());
    if (target.isEmpty()) {
      refuse(context, HttpResponseStatus.NOT_FOUND, "nothing is served there", isHead);
      return;
    }
    if (target.get().wantsDigests()) {
      lookUp(
          context,
          shared.lookup,
          () -> shared.catalog.find(target.get()),
          found -> answerDigests(context, found, isHead),
          isHead);
    } else {
      lookUp(
          context,
          shared.lookup,
          () -> opened(shared.catalog.find(target.get())),
          found -> sendFile(context, asked, found, isHead),
          isHead);
    }
  }

  /// Digests that are known wait for none that are being made.
  private void answerDigests(ChannelHandlerContext context, Published found, boolean isHead) {
    Optional<ChunkDigests> known = shared.catalog.known(found.path());
    if (known.isPresent()) {
      sendDigests(context, known.get(), isHead);
    } else {
      lookUp(
          context,
          shared.digesting,
          () -> shared.catalog.digestsOf(found),
          digests -> sendDigests(context, digests, isHead),
          isHead);
    }
  }

  private <T> void lookUp(
      ChannelHandlerContext context,
      ExecutorService executor,
      Callable<T> search,
      Consumer<T> onFound,
      boolean isHead) {
    try {
      executor.execute(() -> {
        try {
          T found = search.call();
          context.executor().execute(() -> onFound.accept(found));
        } catch (NoSuchFileException e) {
          later(context, HttpResponseStatus.NOT_FOUND, String.valueOf(e.getMessage()), isHead);
        } catch (DamagedCheckpointException e) {
          log.atError().setCause(e).log("a checkpoint is damaged and is not served");
          later(
              context,
              HttpResponseStatus.INTERNAL_SERVER_ERROR,
              "the checkpoint is damaged: " + e.problem(),
              isHead);
        } catch (Exception e) {
          log.atError().setCause(e).log("a checkpoint cannot be read");
          later(
              context,
              HttpResponseStatus.INTERNAL_SERVER_ERROR,
              "the checkpoint cannot be read: " + e,
              isHead);
        }
      });
    } catch (RejectedExecutionException full) {
      comeAgain(context, "too many requests are under way");
    }
  }

  private void later(
      ChannelHandlerContext context, HttpResponseStatus status, String why, boolean isHead) {
    context.executor().execute(() -> refuse(context, status, why, isHead));
  }

  private void sendDigests(ChannelHandlerContext context, ChunkDigests digests, boolean isHead) {
    byte[] document = digests.toJson();
    shared.documents.incrementAndGet();
    var response =
        new DefaultFullHttpResponse(
            HTTP_1_1,
            HttpResponseStatus.OK,
            isHead ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(document));
    response
        .headers()
        .set(CONTENT_TYPE, "application/json")
        .set(CONTENT_LENGTH, document.length)
        .set(ETAG, quoted(digests.sha256() + "-chunks"));
    finishWith(context, response);
  }

  private record Opened(Published published, FileChannel channel) {}

  private static Opened opened(Published published) throws IOException {
    return new Opened(published, FileChannel.open(published.path(), StandardOpenOption.READ));
  }

  private void sendFile(
      ChannelHandlerContext context, HttpRequest asked, Opened opened, boolean isHead) {
    file = opened.channel();
    if (!context.channel().isActive()) {
      closeFile();
      return;
    }
    Published found = opened.published();
    long size = found.digest().bytes();
    String tag = quoted(found.digest().sha256());
    String condition = asked.headers().get(IF_RANGE);
    boolean isCurrent = condition == null || condition.equals(tag);
    ByteRange range = ByteRange.of(isCurrent ? asked.headers().get(RANGE) : null, size);
    switch (range) {
      case ByteRange.Unsatisfiable() -> {
        var response =
            new DefaultFullHttpResponse(
                HTTP_1_1,
                HttpResponseStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                Unpooled.EMPTY_BUFFER);
        response.headers().set(CONTENT_LENGTH, 0).set(CONTENT_RANGE, "bytes */" + size);
        finishWith(context, response);
      }
      case ByteRange.Whole() -> send(context, found, tag, HttpResponseStatus.OK, 0, size, isHead);
      case ByteRange.Part(long from, long length) ->
          send(context, found, tag, HttpResponseStatus.PARTIAL_CONTENT, from, length, isHead);
    }
  }

  private void send(
      ChannelHandlerContext context,
      Published found,
      String tag,
      HttpResponseStatus status,
      long from,
      long length,
      boolean isHead) {
    HttpResponse head = new DefaultHttpResponse(HTTP_1_1, status);
    head.headers()
        .set(CONTENT_TYPE, "application/octet-stream")
        .set(CONTENT_LENGTH, length)
        .set(ACCEPT_RANGES, "bytes")
        .set(ETAG, tag);
    if (status.equals(HttpResponseStatus.PARTIAL_CONTENT)) {
      head.headers()
          .set(
              CONTENT_RANGE,
              "bytes %d-%d/%d".formatted(from, from + length - 1, found.digest().bytes()));
    }
    if (isLast) {
      head.headers().set(CONNECTION, "close");
    }
    shared.requests.incrementAndGet();
    var _ = context.write(head);
    sendFrom(context, from, isHead ? from : from + length);
  }

  /// Sends the next slice when its turn has come.
  private void sendFrom(ChannelHandlerContext context, long position, long end) {
    if (position == end) {
      finishWith(context, LastHttpContent.EMPTY_LAST_CONTENT);
      return;
    }
    int slice = (int) Math.min(shared.bandwidth.turn(SLICE_BYTES), end - position);
    long wait = shared.bandwidth.take(slice, shared.nanoTime.getAsLong());
    if (wait == 0) {
      sendSlice(context, position, slice, end);
    } else {
      stopTimer();
      timer =
          context
              .executor()
              .schedule(() -> sendSlice(context, position, slice, end), wait, NANOSECONDS);
    }
  }

  private void sendSlice(ChannelHandlerContext context, long position, int slice, long end) {
    FileChannel source = file;
    if (source == null) {
      return;
    }
    limit(context, shared.config.writeTimeout(), "the peer does not accept what it asked for");
    ChannelFuture written = context.writeAndFlush(new Slice(source, position, slice));
    var _ =
        written.addListener(done -> {
          if (done.isSuccess()) {
            shared.sentBytes.addAndGet(slice);
            sendFrom(context, position + slice, end);
          } else {
            // The peer is gone, or the file is shorter than its manifest says: the length that was
            // promised cannot be kept, and closing is how HTTP says so.
            log.atDebug()
                .addKeyValue("peer", context.channel().remoteAddress())
                .setCause(done.cause())
                .log("a file could not be sent");
            end(context);
          }
        });
  }

  /// A part of a file that stays open: the connection closes it.
  private static final class Slice extends DefaultFileRegion {

    private Slice(FileChannel file, long position, long count) {
      super(file, position, count);
    }

    @Override
    protected void deallocate() {}
  }

  private void comeAgain(ChannelHandlerContext context, String why) {
    shared.refused.incrementAndGet();
    var response = text(HttpResponseStatus.SERVICE_UNAVAILABLE, why, false);
    response.headers().set(RETRY_AFTER, RETRY_AFTER_SECONDS);
    finishWith(context, response);
  }

  private void refuse(ChannelHandlerContext context, HttpResponseStatus status, String why) {
    refuse(context, status, why, false);
  }

  private void refuse(
      ChannelHandlerContext context, HttpResponseStatus status, String why, boolean isHead) {
    isBusy = true;
    var response = text(status, why, isHead);
    if (status.equals(HttpResponseStatus.METHOD_NOT_ALLOWED)) {
      response.headers().set(ALLOW, "GET, HEAD");
    }
    finishWith(context, response);
  }

  private static DefaultFullHttpResponse text(
      HttpResponseStatus status, String why, boolean isHead) {
    byte[] body = why.getBytes(UTF_8);
    var response =
        new DefaultFullHttpResponse(
            HTTP_1_1, status, isHead ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(body));
    response
        .headers()
        .set(CONTENT_TYPE, "text/plain; charset=utf-8")
        .set(CONTENT_LENGTH, body.length);
    return response;
  }

  private void finishWith(ChannelHandlerContext context, HttpObject last) {
    closeFile();
    if (isLast && last instanceof HttpResponse response) {
      response.headers().set(CONNECTION, "close");
    }
    limit(context, shared.config.writeTimeout(), "the peer does not accept its answer");
    ChannelFuture written = context.writeAndFlush(last);
    var _ =
        isLast
            ? written.addListener(ChannelFutureListener.CLOSE)
            : written.addListener(done -> {
              if (done.isSuccess()) {
                awaitRequest(context);
              } else {
                end(context);
              }
            });
  }

  private static String quoted(String tag) {
    return '"' + tag + '"';
  }

  private void closeFile() {
    FileChannel open = file;
    file = null;
    if (open != null) {
      try {
        open.close();
      } catch (IOException e) {
        log.atDebug().setCause(e).log("a file that was read could not be closed");
      }
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    stopTimer();
    closeFile();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    log.atDebug()
        .addKeyValue("peer", context.channel().remoteAddress())
        .setCause(cause)
        .log("a connection broke");
    end(context);
  }
}
