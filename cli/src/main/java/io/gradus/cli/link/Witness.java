package io.gradus.cli.link;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.MessageLite;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.PublishPolicyResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.learner.v1.ReportBatchResponse;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Tells somebody outside this process what the coordinator acknowledged, before the role that
/// waits for it hears of it: one line of JSON for each group, applied batch and publication.
///
/// With it an audit after a crash need not take the ledger's word for what the ledger holds. It is
/// set by the environment variable `GRADUS_WITNESS`, a port of this host on which the witness
/// listens.
public final class Witness implements ClientInterceptor, AutoCloseable {

  public static final String VARIABLE = "GRADUS_WITNESS";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Socket socket;

  private Witness(Socket socket) {
    this.socket = socket;
  }

  /// The witness that the environment names, if it names one.
  ///
  /// @throws IOException when nobody listens there
  public static Optional<Witness> of(@Nullable String port) throws IOException {
    if (port == null || port.isEmpty()) {
      return Optional.empty();
    }
    if (!port.matches("[0-9]{1,5}")) {
      throw new IOException(
          "%s is \"%s\" but must be a port of this host".formatted(VARIABLE, port));
    }
    try {
      return Optional.of(
          new Witness(new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(port))));
    } catch (IOException e) {
      throw new IOException(
          "nobody listens on port %s, which %s names".formatted(port, VARIABLE), e);
    }
  }

  /// The channel through which the witness sees what is answered.
  public Channel before(Channel channel) {
    return ClientInterceptors.intercept(channel, this);
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {

      private volatile @Nullable Q request;

      @Override
      public void sendMessage(Q message) {
        // Kept where it says what the answer is about; a submit says so in its answer.
        if (message instanceof ReportBatchRequest || message instanceof PublishPolicyRequest) {
          request = message;
        }
        super.sendMessage(message);
      }

      @Override
      public void start(Listener<A> listener, Metadata headers) {
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onMessage(A answer) {
                if (answer instanceof MessageLite message) {
                  witness(request, message);
                }
                super.onMessage(answer);
              }
            },
            headers);
      }
    };
  }

  private void witness(@Nullable Object request, MessageLite answer) {
    switch (answer) {
      case SubmitGroupsResponse submitted -> {
        for (GroupOutcome outcome : submitted.getOutcomesList()) {
          tell(
              line("group")
                  .put("group", outcome.getGroupId())
                  .put("lease", outcome.getLeaseId())
                  .put("admission", outcome.getAdmission().name()));
        }
      }
      case ReportBatchResponse _ -> {
        if (request instanceof ReportBatchRequest report && report.getFailure().isEmpty()) {
          tell(
              line("batch")
                  .put("batch", report.getBatch())
                  .put("epoch", report.getLearnerEpoch())
                  .put("sha256", HexFormat.of().formatHex(report.getSha256().toByteArray())));
        }
      }
      case PublishPolicyResponse published -> {
        if (request instanceof PublishPolicyRequest publish) {
          tell(
              line("version")
                  .put("version", published.getPolicyVersion())
                  .put("step", publish.getManifest().getStep())
                  .put("durable", publish.getManifest().getDurable()));
        }
      }
      default -> {}
    }
  }

  private static ObjectNode line(String kind) {
    return JSON.createObjectNode().put("acknowledged", kind);
  }

  private void tell(ObjectNode line) {
    byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
    synchronized (socket) {
      try {
        OutputStream out = socket.getOutputStream();
        out.write(bytes);
        out.flush();
      } catch (IOException e) {
        throw new UncheckedIOException("the witness is gone", e);
      }
    }
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      throw new UncheckedIOException("the witness cannot be left", e);
    }
  }
}
