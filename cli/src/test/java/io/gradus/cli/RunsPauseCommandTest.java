package io.gradus.cli;

import static io.gradus.cli.CommandLines.gradus;
import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.cli.CommandLines.Result;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.PauseRunResponse;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunState;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class RunsPauseCommandTest {

  private final List<PauseRunRequest> requests = new CopyOnWriteArrayList<>();
  private Server server;

  @BeforeEach
  void serve() throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(
                new RunServiceGrpc.RunServiceImplBase() {
                  @Override
                  public void pauseRun(
                      PauseRunRequest request, StreamObserver<PauseRunResponse> answers) {
                    requests.add(request);
                    answers.onNext(
                        PauseRunResponse.newBuilder()
                            .setProgress(
                                RunProgress.newBuilder()
                                    .setRunId(request.getRunId())
                                    .setState(RunState.RUN_STATE_PAUSED))
                            .build());
                    answers.onCompleted();
                  }
                })
            .build()
            .start();
  }

  @AfterEach
  void close() {
    server.shutdownNow();
  }

  private Result pause(String... options) {
    var arguments =
        new ArrayList<>(
            List.of("runs", "pause", "r-1", "--coordinator", "127.0.0.1:" + server.getPort()));
    arguments.addAll(List.of(options));
    return gradus(arguments.toArray(String[]::new));
  }

  @Test
  void leavesWhatIsUnderWayUnlessItIsToBeNow() {
    for (Result result : List.of(pause(), pause("--now"))) {
      assertThat(result.status()).as(result.err()).isZero();
      assertThat(result.out()).isEqualTo("r-1 is paused%n".formatted());
    }

    assertThat(requests)
        .containsExactly(
            PauseRunRequest.newBuilder().setRunId("r-1").build(),
            PauseRunRequest.newBuilder().setRunId("r-1").setRevokeLeases(true).build());
  }
}
