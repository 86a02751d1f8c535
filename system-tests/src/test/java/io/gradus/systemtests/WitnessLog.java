package io.gradus.systemtests;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/// A witness outside the processes that are killed: what the coordinators acknowledged, written to
/// a file and synced, line by line.
public final class WitnessLog implements AutoCloseable {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ServerSocket server;
  private final FileChannel file;
  private final List<JsonNode> lines = new CopyOnWriteArrayList<>();

  private WitnessLog(ServerSocket server, FileChannel file) {
    this.server = server;
    this.file = file;
  }

  public static WitnessLog open(Path log) throws IOException {
    var witness =
        new WitnessLog(
            new ServerSocket(0, 8, InetAddress.getLoopbackAddress()),
            FileChannel.open(log, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
    Thread.ofPlatform().daemon().name("witness").start(witness::accept);
    return witness;
  }

  /// What tells a process of this witness.
  public Map<String, String> environment() {
    return Map.of("GRADUS_WITNESS", Integer.toString(server.getLocalPort()));
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        Thread.ofVirtual().name("witness-of-one").start(() -> listen(socket));
      } catch (IOException ended) {
        // The witness closed.
      }
    }
  }

  private void listen(Socket socket) {
    try (socket;
        var reader =
            new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        take(line);
      }
    } catch (IOException ended) {
      // The process was killed, or the witness closed.
    }
  }

  private synchronized void take(String line) throws IOException {
    JsonNode node;
    try {
      node = JSON.readTree(line);
    } catch (JsonProcessingException half) {
      // The process was killed in the middle of a line: nobody heard of it yet.
      return;
    }
    ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      file.write(bytes);
    }
    file.force(false);
    lines.add(node);
  }

  /// Acknowledgements of a kind, in the order in which they came.
  public List<JsonNode> of(String kind) {
    return lines.stream().filter(line -> line.path("acknowledged").asText().equals(kind)).toList();
  }

  public int size() {
    return lines.size();
  }

  @Override
  public void close() throws IOException {
    server.close();
    file.close();
  }
}
