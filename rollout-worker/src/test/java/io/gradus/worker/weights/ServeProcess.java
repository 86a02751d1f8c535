package io.gradus.worker.weights;

import io.gradus.learner.chunks.ChunkServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalLong;

/// A process that serves a store until it is killed: store, port, bytes a second.
final class ServeProcess {

  private ServeProcess() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    var server =
        new ChunkServer(
            LearnerStore.server(
                Integer.parseInt(arguments[1]), OptionalLong.of(Long.parseLong(arguments[2]))),
            System::nanoTime);
    server.serve(LearnerStore.RUN, Path.of(arguments[0]));
    System.out.println(WeightsKillTest.SAYS + server.uriOf(LearnerStore.RUN));
    // The test closes its end when it is over, or dies.
    var _ = System.in.read();
    server.close();
  }
}
