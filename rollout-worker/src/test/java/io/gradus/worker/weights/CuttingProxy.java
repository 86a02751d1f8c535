package io.gradus.worker.weights;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/// Passes connections on to a server, and cuts them off after as many bytes of its answers as it
/// was told, as a server does that is killed.
final class CuttingProxy implements AutoCloseable {

  final AtomicLong delivered = new AtomicLong();
  final AtomicLong cuts = new AtomicLong();

  private final ServerSocket listener = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
  private final URI target;
  private final List<Socket> open = new CopyOnWriteArrayList<>();

  /// Bytes until each of the next cuts, guarded by itself.
  private final ArrayDeque<Long> budgets = new ArrayDeque<>();

  private long left = Long.MAX_VALUE;

  CuttingProxy(String target, List<Long> budgets) throws IOException {
    this.target = URI.create(target);
    this.budgets.addAll(budgets);
    next();
    Thread.ofVirtual().start(this::accept);
  }

  String uri() {
    return "http://127.0.0.1:%d%s".formatted(listener.getLocalPort(), target.getPath());
  }

  private synchronized void next() {
    Long budget = budgets.poll();
    left = budget == null ? Long.MAX_VALUE : budget;
  }

  /// How many of `bytes` may pass; fewer than all means a cut.
  private synchronized int pass(int bytes) {
    int passing = (int) Math.min(left, bytes);
    left -= passing;
    delivered.addAndGet(passing);
    if (passing < bytes) {
      cuts.incrementAndGet();
      next();
    }
    return passing;
  }

  private void accept() {
    try {
      while (true) {
        connect(listener.accept());
      }
    } catch (IOException closed) {
      // The test is over.
    }
  }

  private void connect(Socket client) throws IOException {
    Socket server;
    try {
      server = new Socket(target.getHost(), target.getPort());
    } catch (IOException away) {
      client.close();
      return;
    }
    open.add(client);
    open.add(server);
    Thread.ofVirtual().start(() -> pump(client, server, false));
    Thread.ofVirtual().start(() -> pump(server, client, true));
  }

  private void pump(Socket from, Socket to, boolean isAnswer) {
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      var buffer = new byte[1 << 14];
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        int passing = isAnswer ? pass(read) : read;
        out.write(buffer, 0, passing);
        if (passing < read) {
          return;
        }
      }
    } catch (IOException cut) {
      // One side is gone; so is the other now.
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket socket : open) {
      socket.close();
    }
  }
}
