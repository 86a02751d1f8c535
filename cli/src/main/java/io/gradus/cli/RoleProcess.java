package io.gradus.cli;

import io.gradus.cli.log.RoleLog;
import io.gradus.cli.role.Role;
import io.gradus.cli.role.RoleException;
import io.gradus.cli.role.RolePlan;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The life of a role process: settings, start, work until a signal or its own end, close.
///
/// | it ends because | with |
/// |---|---|
/// | of a signal, or its work is done | 0 |
/// | it cannot begin, cannot go on, or does not close in time | 1 |
/// | of a second signal | at once |
final class RoleProcess {

  private static final Logger log = LoggerFactory.getLogger(RoleProcess.class);

  /// What closing may take beyond what its parts allow themselves.
  private static final Duration GRACE = Duration.ofSeconds(5);

  private final Console console;
  private final Interrupts interrupts;

  RoleProcess(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  /// Runs `plan`, or explains it; gives the exit status.
  int run(RolePlan plan, RoleOptions options) throws InterruptedException {
    if (options.isExplained()) {
      console.out().print(plan.explained());
      return ExitStatus.DONE;
    }
    var signalled = new CompletableFuture<Void>();
    interrupts
        .listen()
        .accept(number -> {
          if (number > 1) {
            interrupts.endAtOnce().run();
          }
          signalled.complete(null);
        });
    try (RoleLog _ =
        RoleLog.open(
            console.err(), options.isLogJson() ? RoleLog.Reader.MACHINE : RoleLog.Reader.PERSON)) {
      Optional<RoleException> failure = work(plan, signalled);
      if (failure.isPresent()) {
        throw CommandException.failed(LastWords.told(failure.get()));
      }
      return ExitStatus.DONE;
    }
  }

  private static Optional<RoleException> work(RolePlan plan, CompletableFuture<Void> signalled)
      throws InterruptedException {
    Role role;
    try {
      role = plan.start();
    } catch (RoleException e) {
      return Optional.of(e);
    }
    Optional<RoleException> failure = Optional.empty();
    try {
      CompletableFuture.anyOf(signalled, role.ending().toCompletableFuture()).get();
      if (signalled.isDone()) {
        log.atInfo()
            .addKeyValue("within_seconds", role.closesWithin().toSeconds())
            .log("asked to end");
      }
    } catch (ExecutionException e) {
      failure = Optional.of(roleFailure(e));
    }
    boolean isClosed = close(role);
    return failure.isEmpty() && !isClosed
        ? Optional.of(
            RoleException.of(
                "it did not close within %s and is cut off"
                    .formatted(role.closesWithin().plus(GRACE))))
        : failure;
  }

  private static RoleException roleFailure(ExecutionException e) {
    Throwable cause = e.getCause();
    if (cause instanceof CompletionException && cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (cause instanceof RoleException told) {
      return told;
    }
    throw new IllegalStateException("a role ends with a RoleException", e);
  }

  /// Closes `role` on a thread of its own, which a native call that hangs may hold; whether it was
  /// done in time.
  private static boolean close(Role role) throws InterruptedException {
    Thread closing = Thread.ofPlatform().daemon().name("gradus-close").start(role::close);
    return closing.join(role.closesWithin().plus(GRACE));
  }
}
