package io.gradus.core.curriculum;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.random.RunRandom;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.StratumKey;
import io.gradus.core.task.Task;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/*
 * The weight of a supplied stratum is p(1 - p) + epsilon, p the posterior mean of its pass rate: a
 * Bernoulli variable carries most information where it is right half of the time, which is also where
 * the gradient of a group is largest. An unseen stratum starts from min(1/2, p of the next easier),
 * since harder tasks are not passed more often.
 *
 * Supplied are the strata up to `window` beyond the last one of an unbroken row, from the easiest,
 * whose pass rate is at least one half by evidence. What lies further would be wrong all of the time
 * and teach nothing; what is nearer is where one new stratum after the other becomes possible.
 *
 * Mastered strata weigh little by the formula but are forgotten when they are not practised, so they
 * keep a share of at least `masteredFloor` among them.
 */

/// Strata, their posteriors, and the draw of the next task.
public final class Curriculum {

  /// Failed tasks of a stratum that are remembered for rationalization.
  private static final int MOST_FAILED = 128;

  private static final class Stratum {
    private final StratumKey key;
    private final TreeMap<GroupPurpose, Long> nextIndex = new TreeMap<>();
    private final ArrayList<Long> failed = new ArrayList<>();
    private Posterior posterior = Posterior.unseen();
    private int roundGroups;

    private Stratum(StratumKey key) {
      this.key = key;
    }

    private StratumRow row() {
      return new StratumRow(
          key.source(),
          key.stratum(),
          posterior.right(),
          posterior.wrong(),
          nextIndex,
          roundGroups,
          failed);
    }
  }

  /// A task to sample, and whether the policy sees its answer as a hint.
  public record Choice(Task task, GroupPurpose purpose) {}

  private final RunPlan plan;
  private final TreeMap<StratumKey, Stratum> strata = new TreeMap<>();
  private final TreeSet<StratumKey> changed = new TreeSet<>();

  /// Of the present posteriors; every draw asks for them.
  private Optional<NavigableMap<StratumKey, Double>> weights = Optional.empty();

  public Curriculum(RunPlan plan, List<StratumRow> rows) {
    this.plan = plan;
    for (int source = 0; source < plan.sources().size(); source++) {
      RunPlan.Source range = plan.sources().get(source);
      for (int number = range.firstStratum(); number <= range.lastStratum(); number++) {
        var key = new StratumKey(source, number);
        strata.put(key, new Stratum(key));
      }
    }
    for (StratumRow row : rows) {
      Stratum stratum = at(new StratumKey(row.source(), row.stratum()));
      stratum.posterior = new Posterior(row.right(), row.wrong());
      stratum.nextIndex.putAll(row.nextIndex());
      stratum.roundGroups = row.roundGroups();
      stratum.failed.addAll(row.failed());
    }
  }

  /// Counts the verdicts of an unhinted training group. A task that nobody solved may be given
  /// again with its answer as a hint.
  public void observe(Task task, int right, int wrong) {
    Stratum stratum = at(StratumKey.of(task));
    stratum.posterior = stratum.posterior.with(right, wrong);
    weights = Optional.empty();
    if (right == 0 && plan.sources().get(task.source()).hintedShare() > 0) {
      // In the order of the tasks, not of the answers, which come as they please.
      int at = Collections.binarySearch(stratum.failed, task.index());
      stratum.failed.add(at < 0 ? -at - 1 : at, task.index());
      if (stratum.failed.size() > MOST_FAILED) {
        stratum.failed.removeFirst();
      }
    }
    changed.add(stratum.key);
  }

  /// Forgets a little: a new policy version solves what the old one did not.
  public void decay() {
    weights = Optional.empty();
    strata
        .values()
        .forEach(stratum -> {
          stratum.posterior = stratum.posterior.decayed(plan.curriculum().decay());
          changed.add(stratum.key);
        });
  }

  /// Begins a round: none of its groups is there yet.
  public void beginRound() {
    strata
        .values()
        .forEach(stratum -> {
          if (stratum.roundGroups != 0) {
            stratum.roundGroups = 0;
            changed.add(stratum.key);
          }
        });
  }

  /// Draws a stratum by its weight, and its next task.
  public Choice choose(RunRandom random) {
    return choose(drawn(random), random);
  }

  /// The next task of the supplied stratum that has the fewest groups in this round; empty when
  /// every one has `quota`.
  public Optional<Choice> chooseInRound(int quota, RunRandom random) {
    Optional<Stratum> fewest = Optional.empty();
    for (StratumKey key : supplied()) {
      Stratum stratum = at(key);
      if (stratum.roundGroups < quota
          && fewest.map(least -> stratum.roundGroups < least.roundGroups).orElse(true)) {
        fewest = Optional.of(stratum);
      }
    }
    return fewest.map(stratum -> choose(stratum, random));
  }

  /// Groups that supplied strata still lack in this round.
  public int lackingInRound(int quota) {
    int lacking = 0;
    for (StratumKey key : supplied()) {
      lacking += Math.max(0, quota - at(key).roundGroups);
    }
    return lacking;
  }

  /// Groups that the supplied strata have in this round.
  public int groupsInRound() {
    return supplied().stream().mapToInt(key -> at(key).roundGroups).sum();
  }

  /// A group of this round came to nothing: another one takes its place.
  public void replaceInRound(Task task) {
    Stratum stratum = at(StratumKey.of(task));
    if (stratum.roundGroups > 0) {
      stratum.roundGroups--;
      changed.add(stratum.key);
    }
  }

  private Choice choose(Stratum stratum, RunRandom random) {
    double hintedShare = plan.sources().get(stratum.key.source()).hintedShare();
    stratum.roundGroups++;
    changed.add(stratum.key);
    if (hintedShare > 0 && !stratum.failed.isEmpty() && random.unit() < hintedShare) {
      long index = stratum.failed.removeFirst();
      return new Choice(task(stratum, index), GroupPurpose.RATIONALIZATION);
    }
    long index = stratum.nextIndex.getOrDefault(GroupPurpose.TRAINING, 0L);
    stratum.nextIndex.put(GroupPurpose.TRAINING, index + 1);
    return new Choice(task(stratum, index), GroupPurpose.TRAINING);
  }

  private static Task task(Stratum stratum, long index) {
    return new Task(stratum.key.source(), stratum.key.stratum(), index);
  }

  private Stratum drawn(RunRandom random) {
    NavigableMap<StratumKey, Double> weights = weights();
    double point = random.unit();
    StratumKey last = weights.firstKey();
    for (Map.Entry<StratumKey, Double> entry : weights.entrySet()) {
      if (entry.getValue() > 0) {
        last = entry.getKey();
        point -= entry.getValue();
        if (point < 0) {
          break;
        }
      }
    }
    return at(last);
  }

  /// Share of the next tasks of every supplied stratum; they sum to 1.
  public NavigableMap<StratumKey, Double> weights() {
    NavigableMap<StratumKey, Double> present = weights.orElseGet(this::computeWeights);
    weights = Optional.of(present);
    return present;
  }

  private NavigableMap<StratumKey, Double> computeWeights() {
    var masteredWeights = new TreeMap<StratumKey, Double>();
    var otherWeights = new TreeMap<StratumKey, Double>();
    for (StratumKey key : supplied()) {
      double passRate = passRate(key);
      double weight =
          plan.curriculum().uniform() ? 1 : passRate * (1 - passRate) + plan.curriculum().epsilon();
      (isMastered(key, passRate) ? masteredWeights : otherWeights).put(key, weight);
    }
    double mastered = sum(masteredWeights);
    double others = sum(otherWeights);
    var shares = new TreeMap<StratumKey, Double>();
    if (mastered + others == 0) {
      supplied().forEach(key -> shares.put(key, 1.0));
      scale(shares, 1.0 / shares.size());
      return Collections.unmodifiableNavigableMap(shares);
    }
    double masteredShare = mastered / (mastered + others);
    double floor = plan.curriculum().masteredFloor();
    if (!plan.curriculum().uniform() && mastered > 0 && others > 0 && masteredShare < floor) {
      masteredShare = floor;
    }
    scale(masteredWeights, mastered > 0 ? masteredShare / mastered : 0);
    scale(otherWeights, others > 0 ? (1 - masteredShare) / others : 0);
    shares.putAll(masteredWeights);
    shares.putAll(otherWeights);
    return Collections.unmodifiableNavigableMap(shares);
  }

  private static double sum(Map<StratumKey, Double> weights) {
    return weights.values().stream().mapToDouble(Double::doubleValue).sum();
  }

  private static void scale(Map<StratumKey, Double> weights, double factor) {
    weights.replaceAll((_, weight) -> weight * factor);
  }

  private boolean isMastered(StratumKey key, double passRate) {
    return at(key).posterior.hasEvidence() && passRate >= plan.curriculum().mastered();
  }

  /// Strata from which tasks are drawn now, easiest first.
  public List<StratumKey> supplied() {
    var supplied = new ArrayList<StratumKey>();
    for (int source = 0; source < plan.sources().size(); source++) {
      RunPlan.Source range = plan.sources().get(source);
      int frontier = range.firstStratum() - 1;
      while (frontier < range.lastStratum() && isPassed(new StratumKey(source, frontier + 1))) {
        frontier++;
      }
      long last = Math.min(range.lastStratum(), (long) frontier + plan.curriculum().window());
      for (int number = range.firstStratum(); number <= last; number++) {
        supplied.add(new StratumKey(source, number));
      }
    }
    return supplied;
  }

  private boolean isPassed(StratumKey key) {
    return at(key).posterior.hasEvidence() && passRate(key) >= 0.5;
  }

  /// Posterior mean of a stratum's pass rate.
  public double passRate(StratumKey key) {
    double easier = 0.5;
    RunPlan.Source range = plan.sources().get(key.source());
    for (int number = range.firstStratum(); number < key.stratum(); number++) {
      easier = at(new StratumKey(key.source(), number)).posterior.mean(Math.min(0.5, easier));
    }
    return at(key).posterior.mean(Math.min(0.5, easier));
  }

  /// Every stratum, easiest first.
  public List<StratumKey> strata() {
    return List.copyOf(strata.keySet());
  }

  /// Rows that changed since the last call.
  public List<StratumRow> changes() {
    List<StratumRow> rows = changed.stream().map(key -> at(key).row()).toList();
    changed.clear();
    return rows;
  }

  private Stratum at(StratumKey key) {
    Stratum stratum = strata.get(key);
    if (stratum == null) {
      throw new IllegalArgumentException("the run has no %s".formatted(key));
    }
    return stratum;
  }
}
