package io.gradus.systemtests.chaos;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;

/// Stands between two processes and lets bytes pass, or not: what is held back arrives when the way
/// is free again, as TCP itself would have it after a partition.
final class TcpProxy implements AutoCloseable {

  private static final int BUFFER = 64 << 10;
  private static final int BACKLOG = 256;
  private static final int CONNECTS_WITHIN_MILLIS = 2_000;

  private final ServerSocket server;
  private final InetSocketAddress target;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  /// Guarded by this.
  private Predicate<InetAddress> held = _ -> false;

  private TcpProxy(ServerSocket server, InetSocketAddress target) {
    this.server = server;
    this.target = target;
  }

  /// Listens on a port of 127.0.0.1.
  static TcpProxy start(int port, InetSocketAddress target) throws IOException {
    var proxy =
        new TcpProxy(
            new ServerSocket(port, BACKLOG, InetAddress.getByAddress(new byte[] {127, 0, 0, 1})),
            target);
    Thread.ofPlatform().daemon().name("proxy-" + port).start(proxy::accept);
    return proxy;
  }

  int port() {
    return server.getLocalPort();
  }

  /// From now on nothing passes, in either direction, on connections from such addresses.
  synchronized void hold(Predicate<InetAddress> from) {
    held = from;
  }

  /// Everything passes again, beginning with what was held back.
  synchronized void pass() {
    held = _ -> false;
    notifyAll();
  }

  /// Breaks all connections; new ones are as before.
  void cut() {
    open.forEach(TcpProxy::closeQuietly);
  }

  private synchronized void awaitWay(InetAddress from) throws InterruptedException {
    while (held.test(from) && !server.isClosed()) {
      wait();
    }
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket client = server.accept();
        Thread.ofVirtual().start(() -> join(client));
      } catch (IOException closed) {
        // The proxy was closed.
      }
    }
  }

  private void join(Socket client) {
    open.add(client);
    var there = new Socket();
    open.add(there);
    try {
      awaitWay(client.getInetAddress());
      there.connect(target, CONNECTS_WITHIN_MILLIS);
      client.setTcpNoDelay(true);
      there.setTcpNoDelay(true);
      InetAddress from = client.getInetAddress();
      Thread back = Thread.ofVirtual().start(() -> pump(from, there, client));
      pump(from, client, there);
      back.join();
    } catch (IOException refused) {
      // Nobody listens there; the client sees its connection end.
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    } finally {
      closeQuietly(client);
      closeQuietly(there);
      open.remove(client);
      open.remove(there);
    }
  }

  private void pump(InetAddress from, Socket source, Socket sink) {
    var buffer = new byte[BUFFER];
    try {
      InputStream in = source.getInputStream();
      OutputStream out = sink.getOutputStream();
      for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
        awaitWay(from);
        out.write(buffer, 0, length);
        out.flush();
      }
      awaitWay(from);
      sink.shutdownOutput();
    } catch (IOException broken) {
      // One side is gone: so is the other, once the way is free.
      try {
        awaitWay(from);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
      closeQuietly(source);
      closeQuietly(sink);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException alreadyGone) {
      // That is what was wanted.
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    pass();
    cut();
  }
}
