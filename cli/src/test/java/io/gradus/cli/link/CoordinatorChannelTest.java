package io.gradus.cli.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.ListRunsResponse;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class CoordinatorChannelTest {

  private final List<Server> servers = new ArrayList<>();

  @AfterEach
  void stop() throws InterruptedException {
    for (Server server : servers) {
      server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
    }
  }

  /// Starts a coordinator that lists one run, of its own name.
  private HostPort start(String name, int port) throws IOException {
    Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), port))
            .addService(
                new RunServiceGrpc.RunServiceImplBase() {
                  @Override
                  public void listRuns(
                      ListRunsRequest request, StreamObserver<ListRunsResponse> answer) {
                    answer.onNext(
                        ListRunsResponse.newBuilder()
                            .addRuns(RunProgress.newBuilder().setRunId(name))
                            .build());
                    answer.onCompleted();
                  }
                })
            .build()
            .start();
    servers.add(server);
    return new HostPort("127.0.0.1", server.getPort());
  }

  private void kill(int index) throws InterruptedException {
    servers.get(index).shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  private static CoordinatorChannel open(HostPort... coordinators) {
    return CoordinatorChannel.open(List.of(coordinators), 1);
  }

  private static String whoAnswers(CoordinatorChannel channel) {
    return RunServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(10, TimeUnit.SECONDS)
        .listRuns(ListRunsRequest.getDefaultInstance())
        .getRuns(0)
        .getRunId();
  }

  @RepeatedTest(5)
  void goesOnAtTheSecondWhenTheFirstIsKilled() throws Exception {
    HostPort one = start("one", 0);
    HostPort two = start("two", 0);
    try (CoordinatorChannel channel = open(one, two)) {
      String first = whoAnswers(channel);
      kill(first.equals("one") ? 0 : 1);

      String second = answerAfterAFailureAtMost(channel);

      assertThat(second).isEqualTo(first.equals("one") ? "two" : "one");
    }
  }

  /// The call that finds the connection gone may fail; the next one must not.
  private static String answerAfterAFailureAtMost(CoordinatorChannel channel) {
    try {
      return whoAnswers(channel);
    } catch (StatusRuntimeException _) {
      return whoAnswers(channel);
    }
  }

  @Test
  void comesBackToOneThatWasRestarted() throws Exception {
    HostPort one = start("one", 0);
    HostPort two = start("two", 0);
    try (CoordinatorChannel channel = open(one, two)) {
      String first = whoAnswers(channel);
      int index = first.equals("one") ? 0 : 1;
      kill(index);
      assertThat(answerAfterAFailureAtMost(channel)).isNotEqualTo(first);
      start("again", index == 0 ? one.port() : two.port());
      kill(1 - index);

      assertThat(answerAfterAFailureAtMost(channel)).isEqualTo("again");
    }
  }

  @Test
  void triesThoseThatAreThereWhereOthersNeverWere() throws Exception {
    HostPort one = start("one", 0);
    HostPort gone = start("gone", 0);
    kill(1);
    for (int seed = 0; seed < 4; seed++) {
      try (var channel = CoordinatorChannel.open(List.of(gone, one), seed)) {
        assertThat(whoAnswers(channel)).isEqualTo("one");
      }
    }
  }

  @Test
  void failsAtOnceWhereNobodyIs() throws Exception {
    HostPort gone = start("gone", 0);
    kill(0);
    try (CoordinatorChannel channel = open(gone)) {
      StatusRuntimeException failure =
          catchThrowableOfType(StatusRuntimeException.class, () -> whoAnswers(channel));

      assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
    }
  }

  @Test
  void namesHostsThatAreUnknown() {
    try (CoordinatorChannel channel = open(new HostPort("no-such-host.invalid", 1))) {
      StatusRuntimeException failure =
          catchThrowableOfType(StatusRuntimeException.class, () -> whoAnswers(channel));

      assertThat(failure).hasMessageContaining("no address is known for no-such-host.invalid");
    }
  }
}
