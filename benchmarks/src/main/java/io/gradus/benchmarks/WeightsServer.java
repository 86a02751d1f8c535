package io.gradus.benchmarks;

import io.gradus.learner.chunks.ChunkServer;
import io.gradus.learner.chunks.ChunkServerConfig;
import java.io.IOException;
import java.nio.file.Path;

/// A process with a chunk server, for `weights-race.sh`: store, MiB. Ends when its input does.
final class WeightsServer {

  private WeightsServer() {}

  public static void main(String[] arguments) throws IOException {
    Path store = Path.of(arguments[0]);
    PublishedBytes.write(store, Long.parseLong(arguments[1]) << 20);
    var config = ChunkServerConfig.onLoopback(0);
    try (var server = new ChunkServer(config, System::nanoTime)) {
      server.serve(PublishedBytes.RUN, store);
      System.out.println(server.uriOf(PublishedBytes.RUN) + "/" + PublishedBytes.NAME);
      var _ = System.in.read();
      System.out.println(PeakHeap.bytes());
    }
  }
}
