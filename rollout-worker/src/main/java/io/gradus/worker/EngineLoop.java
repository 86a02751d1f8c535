package io.gradus.worker;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Problem;
import io.gradus.worker.engine.Engine;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.engine.SampleOrder;
import io.gradus.worker.engine.SampledCompletion;
import io.gradus.worker.engine.SamplingRule;
import io.gradus.worker.group.FinishedGroup;
import io.gradus.worker.group.GroupFinisher;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeaseBook.Work;
import io.gradus.worker.lease.LeasedGroup;
import io.gradus.worker.run.RunAssignment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Samples leased groups, batch after batch, on the thread that owns the engine; loads newer
/// weights between batches. Finished groups go to a bounded queue, so that the next batch is
/// sampled while the last one is being acknowledged.
final class EngineLoop {

  /// Where the loop hands over what it did. Called by the engine's thread.
  interface Output {

    /// Takes finished groups; waits while too many wait for their acknowledgement.
    void submit(List<FinishedGroup> groups) throws InterruptedException;

    /// Gives leases back, for a reason of infrastructure.
    void giveBack(List<LeasedGroup> groups, String reason);

    /// Newer weights are in use.
    void loaded(String runId, PolicyVersion version);

    /// There is more room for leases than before.
    void creditsChanged();
  }

  private static final Logger log = LoggerFactory.getLogger(EngineLoop.class);

  /// Token positions between two looks at whether a batch was revoked.
  private static final int PULSES_BETWEEN_CHECKS = 8;

  private final Engine engine;
  private final LeaseBook book;
  private final Output output;
  private final WorkerMeters meters;
  private final LongSupplier nanoTime;

  /// Set by the closing thread: abandons a batch at its next token.
  private final AtomicBoolean closing;

  private final GroupFinisher finisher = new GroupFinisher();

  EngineLoop(
      Engine engine,
      LeaseBook book,
      Output output,
      WorkerMeters meters,
      LongSupplier nanoTime,
      AtomicBoolean closing) {
    this.engine = engine;
    this.book = book;
    this.output = output;
    this.meters = meters;
    this.nanoTime = nanoTime;
    this.closing = closing;
  }

  /// Works until the book says stop.
  void run() throws InterruptedException {
    try (var shelf = new PolicyShelf(engine, book, output::loaded)) {
      while (true) {
        long before = nanoTime.getAsLong();
        Work work = book.take();
        meters.idleNanos.addAndGet(nanoTime.getAsLong() - before);
        switch (work) {
          case Work.Stop() -> {
            return;
          }
          case Work.Retire(String runId) -> shelf.retire(runId);
          case Work.Load(RunAssignment run, var manifest) -> {
            try {
              loadTimed(() -> shelf.load(run.runId(), manifest));
              meters.versionsLoaded.incrementAndGet();
            } catch (EngineException | RuntimeException e) {
              // Groups without a version of their own go on with the weights at hand; how old they
              // may become is decided where they are admitted. The files are looked at on the
              // weights' thread, which offers them again when they are sound.
              log.atWarn()
                  .addKeyValue("run", run.runId())
                  .addKeyValue("version", manifest.version().value())
                  .setCause(e)
                  .log("weights could not be loaded; sampling goes on with older ones");
            }
          }
          case Work.Sample(List<LeasedGroup> groups) -> sample(shelf, groups);
        }
      }
    }
  }

  private void sample(PolicyShelf shelf, List<LeasedGroup> groups) throws InterruptedException {
    output.creditsChanged();
    List<FinishedGroup> finished;
    try {
      var policy = new LoadedPolicy[1];
      loadTimed(() -> policy[0] = shelf.policyFor(groups.getFirst()));
      finished = finish(policy[0], groups);
    } catch (CancellationException abandoned) {
      groups.forEach(group -> book.release(group.run().runId(), group.lease()));
      return;
    } catch (EngineException | RuntimeException e) {
      log.atError()
          .addKeyValue("run", groups.getFirst().run().runId())
          .addKeyValue("groups", groups.size())
          .setCause(e)
          .log("groups could not be sampled");
      output.giveBack(groups, String.valueOf(e.getMessage()));
      return;
    }
    finished.removeIf(group -> !book.beginSubmit(group.group()));
    meters.batches.incrementAndGet();
    meters.groups.addAndGet(groups.size());
    if (!finished.isEmpty()) {
      long before = nanoTime.getAsLong();
      output.submit(finished);
      meters.blockedNanos.addAndGet(nanoTime.getAsLong() - before);
    }
  }

  private List<FinishedGroup> finish(LoadedPolicy policy, List<LeasedGroup> groups)
      throws EngineException {
    RunAssignment run = groups.getFirst().run();
    boolean training = groups.getFirst().purpose().isTraining();
    SamplingRule rule =
        training
            ? new SamplingRule(run.seed(), run.temperature(), run.topK(), run.topP())
            : SamplingRule.greedy(run.seed());

    long start = nanoTime.getAsLong();
    var problems = new ArrayList<Problem>(groups.size());
    var prompts = new ArrayList<int[]>(groups.size());
    var orders = new ArrayList<SampleOrder>(groups.size());
    for (LeasedGroup group : groups) {
      Problem problem = group.problem();
      int[] prompt = policy.promptIds(problem.prompt());
      int[] sampledOn =
          group.purpose() == GroupPurpose.RATIONALIZATION
              ? policy.promptIds(problem.hintedPrompt())
              : prompt;
      int limit = run.tokenLimit(group.task().source(), group.task().stratum());
      problems.add(problem);
      prompts.add(prompt);
      for (int member : group.members()) {
        orders.add(new SampleOrder(sampledOn, group.group().value(), member, limit));
      }
    }
    List<SampledCompletion> completions;
    meters.isSampling.set(true);
    try {
      completions = policy.sample(rule, orders, pulse(groups));
    } finally {
      meters.isSampling.set(false);
    }
    long sampled = nanoTime.getAsLong();
    meters.samplingNanos.addAndGet(sampled - start);

    var finished = new ArrayList<FinishedGroup>(groups.size());
    int next = 0;
    long tokens = 0;
    for (int i = 0; i < groups.size(); i++) {
      LeasedGroup group = groups.get(i);
      List<SampledCompletion> members = completions.subList(next, next + group.members().size());
      next += group.members().size();
      for (SampledCompletion completion : members) {
        tokens += completion.ids().length;
      }
      finished.add(
          finisher.finish(
              group, problems.get(i), prompts.get(i), rule.temperature(), policy, members));
    }
    meters.tokens.addAndGet(tokens);
    meters.completions.addAndGet(completions.size());
    meters.right.set(finisher.right());
    meters.truncated.set(finisher.truncated());
    meters.verifyingNanos.addAndGet(nanoTime.getAsLong() - sampled);
    return finished;
  }

  /// Counts progress and, now and then, looks whether anybody still wants the batch.
  private BooleanSupplier pulse(List<LeasedGroup> groups) {
    var pulses = new int[1];
    return () -> {
      meters.progress.incrementAndGet();
      if (closing.get()) {
        return true;
      }
      return ++pulses[0] % PULSES_BETWEEN_CHECKS == 0 && groups.stream().allMatch(book::isRevoked);
    };
  }

  private interface Loading {
    void run() throws EngineException;
  }

  private void loadTimed(Loading loading) throws EngineException {
    long before = nanoTime.getAsLong();
    try {
      loading.run();
    } finally {
      meters.loadingNanos.addAndGet(nanoTime.getAsLong() - before);
    }
  }
}
