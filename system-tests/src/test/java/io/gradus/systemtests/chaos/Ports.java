package io.gradus.systemtests.chaos;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;

/// Ports of this host that nobody listened on a moment ago, each handed out once.
final class Ports {

  private final Deque<Integer> free = new ArrayDeque<>();

  Ports(int count) throws IOException {
    var sockets = new ArrayList<ServerSocket>();
    try {
      for (int port = 0; port < count; port++) {
        sockets.add(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
      }
      sockets.forEach(socket -> free.add(socket.getLocalPort()));
    } finally {
      for (ServerSocket socket : sockets) {
        socket.close();
      }
    }
  }

  int next() {
    return free.remove();
  }
}
