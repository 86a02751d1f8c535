package io.gradus.core.replay;

import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.random.RunRandom;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.StratumKey;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.TreeMap;
import java.util.function.ToIntFunction;

/*
 * A unit is a whole group for policy gradients and one right trajectory for likelihood objectives. It
 * leaves when it has been in `max_uses` batches, or when `window` newer units of its stratum are here
 * (newer means a higher group number: the order of grants, which recovery sees too).
 *
 * Units of a batch are drawn one after the other without putting back. With stratum-equal draws a
 * stratum is drawn first, each that still has a unit alike, then a unit in it: harder strata, of which
 * there is less, weigh as much as easy ones. That is "learn more from harder problems". The
 * probability of each draw, given the draws before it, is recorded with the use.
 */

/// Accepted units that may still be drawn.
public final class Replay {

  private static final Comparator<Unit> OLDEST_FIRST =
      Comparator.comparing(Unit::group).thenComparingInt(Unit::member);

  /// Something that can be drawn; its member is the trajectory, or [Use#WHOLE_GROUP].
  private static final class Unit {
    private final GroupId group;
    private final LeaseId lease;
    private final int member;
    private final int tokens;
    private final double passRate;
    private int uses;

    private Unit(GroupId group, LeaseId lease, int member, int tokens, double passRate, int uses) {
      this.group = group;
      this.lease = lease;
      this.member = member;
      this.tokens = tokens;
      this.passRate = passRate;
      this.uses = uses;
    }

    private GroupId group() {
      return group;
    }

    private int member() {
      return member;
    }
  }

  private final RunPlan plan;

  /// Every unit, by stratum, oldest first.
  private final TreeMap<StratumKey, ArrayList<Unit>> strata = new TreeMap<>();

  /// How many units of a group are here; a group without any has left.
  private final Map<GroupId, Integer> unitsOf = new TreeMap<>();

  /// How many units of a group were never used; counted here, since a run asks every second how
  /// many such groups there are. Nobody goes through it, so its order means nothing.
  private final Map<GroupId, Integer> unusedOf = new HashMap<>();

  private int size;

  public Replay(RunPlan plan) {
    this.plan = plan;
  }

  /// Units that a group would bring: none carries no signal.
  public static int unitsIn(RunPlan plan, List<Outcome> outcomes) {
    return switch (plan.unit()) {
      case GROUP -> 1;
      case TRAJECTORY -> (int) outcomes.stream().filter(Replay::isUnit).count();
    };
  }

  private static boolean isUnit(Outcome outcome) {
    return outcome.verdict() == Verdict.RIGHT && outcome.tokens() > 0;
  }

  /// Adds an accepted group.
  ///
  /// @param uses in batches that are not void, by member
  /// @return groups that have left because newer units displaced their last one
  public List<GroupId> add(GroupRow row, Map<Integer, Integer> uses) {
    GroupRow.Admitted admitted =
        row.admitted()
            .orElseThrow(() -> new IllegalArgumentException("%s was not admitted".formatted(row)));
    List<Outcome> outcomes = admitted.outcomes();
    double passRate =
        (double) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count()
            / outcomes.size();
    ArrayList<Unit> units =
        strata.computeIfAbsent(StratumKey.of(row.task()), _ -> new ArrayList<>());
    switch (plan.unit()) {
      case GROUP -> {
        int tokens = outcomes.stream().mapToInt(Outcome::tokens).sum();
        insert(units, row.id(), admitted.lease(), Use.WHOLE_GROUP, tokens, passRate, uses);
      }
      case TRAJECTORY -> {
        for (Outcome outcome : outcomes) {
          if (isUnit(outcome)) {
            insert(
                units,
                row.id(),
                admitted.lease(),
                outcome.member(),
                outcome.tokens(),
                passRate,
                uses);
          }
        }
      }
    }
    var left = new ArrayList<GroupId>();
    while (units.size() > plan.replay().window()) {
      remove(units, 0).ifPresent(left::add);
    }
    return left;
  }

  private void insert(
      List<Unit> units,
      GroupId group,
      LeaseId lease,
      int member,
      int tokens,
      double passRate,
      Map<Integer, Integer> uses) {
    int used = uses.getOrDefault(member, 0);
    if (used >= plan.replay().maxUses()) {
      return;
    }
    var unit = new Unit(group, lease, member, tokens, passRate, used);
    int at = Collections.binarySearch(units, unit, OLDEST_FIRST);
    if (at >= 0) {
      throw new IllegalArgumentException(
          "group %d, member %d is in replay already".formatted(group.value(), member));
    }
    units.add(-at - 1, unit);
    unitsOf.merge(group, 1, Integer::sum);
    if (used == 0) {
      unusedOf.merge(group, 1, Integer::sum);
    }
    size++;
  }

  /// Removes the unit at `index`; its group, if that was the last one of it.
  private Optional<GroupId> remove(List<Unit> units, int index) {
    Unit unit = units.remove(index);
    GroupId group = unit.group;
    size--;
    if (unit.uses == 0) {
      countUse(group);
    }
    if (unitsOf.merge(group, -1, Integer::sum) == 0) {
      unitsOf.remove(group);
      return Optional.of(group);
    }
    return Optional.empty();
  }

  /// One unit of the group fewer was never used.
  private void countUse(GroupId group) {
    unusedOf.computeIfPresent(group, (_, unused) -> unused == 1 ? null : unused - 1);
  }

  /// Takes a group out: it is too old, or its batch was poisonous.
  public void drop(GroupId group) {
    if (unitsOf.remove(group) == null) {
      return;
    }
    unusedOf.remove(group);
    for (ArrayList<Unit> units : strata.values()) {
      int before = units.size();
      units.removeIf(unit -> unit.group.equals(group));
      size -= before - units.size();
    }
  }

  /// Whether a unit of the group may still be drawn.
  public boolean holds(GroupId group) {
    return unitsOf.containsKey(group);
  }

  /// Units that may be drawn.
  public int size() {
    return size;
  }

  /// Units of a stratum that may be drawn.
  public int sizeOf(StratumKey stratum) {
    return strata.getOrDefault(stratum, new ArrayList<>()).size();
  }

  /// Groups with a unit that was never used.
  public int unusedGroups() {
    return unusedOf.size();
  }

  /// Groups that may be drawn, oldest first.
  public List<GroupId> groups() {
    return List.copyOf(unitsOf.keySet());
  }

  /// What was drawn, and the groups that have left with it.
  ///
  /// @param left groups whose last unit has now been used as often as it may be
  public record Drawn(List<Use> uses, SequencedSet<GroupId> left) {}

  /// Draws the units of a batch.
  ///
  /// @param staleness of a group, in batches, were it used now
  /// @throws IllegalStateException with fewer units than that
  public Drawn draw(int count, RunRandom random, ToIntFunction<GroupId> staleness) {
    if (size < count) {
      throw new IllegalStateException(
          "%d units cannot be drawn from the %d in replay".formatted(count, size));
    }
    List<Picked> picked =
        switch (plan.draw()) {
          case OLDEST_FIRST -> oldest(count);
          case UNIFORM -> uniform(count, random);
          case STRATUM_EQUAL -> stratumEqual(count, random);
        };
    var uses = new ArrayList<Use>(count);
    var exhausted = new LinkedHashMap<Unit, StratumKey>();
    for (Picked pick : picked) {
      Unit unit = pick.unit;
      if (unit.uses == 0) {
        countUse(unit.group);
      }
      unit.uses++;
      if (unit.uses >= plan.replay().maxUses()) {
        exhausted.put(unit, pick.stratum);
      }
      uses.add(
          new Use(
              unit.group,
              unit.lease,
              unit.member,
              pick.probability,
              unit.passRate,
              staleness.applyAsInt(unit.group),
              unit.tokens));
    }
    var left = new LinkedHashSet<GroupId>();
    exhausted.forEach((unit, stratum) -> {
      ArrayList<Unit> units = strata.getOrDefault(stratum, new ArrayList<>());
      remove(units, Collections.binarySearch(units, unit, OLDEST_FIRST)).ifPresent(left::add);
    });
    return new Drawn(uses, left);
  }

  private record Picked(Unit unit, StratumKey stratum, double probability) {}

  private List<Picked> oldest(int count) {
    var all = new ArrayList<Picked>(size);
    strata.forEach(
        (stratum, units) -> units.forEach(unit -> all.add(new Picked(unit, stratum, 1))));
    all.sort(Comparator.comparing(Picked::unit, OLDEST_FIRST));
    return all.subList(0, count);
  }

  private List<Picked> uniform(int count, RunRandom random) {
    var all = new ArrayList<Picked>(size);
    strata.forEach(
        (stratum, units) -> units.forEach(unit -> all.add(new Picked(unit, stratum, 1))));
    var urn = new Urn(all.size());
    var picked = new ArrayList<Picked>(count);
    while (picked.size() < count) {
      double probability = 1.0 / urn.left;
      Picked drawn = all.get(urn.draw(random));
      picked.add(new Picked(drawn.unit, drawn.stratum, probability));
    }
    return picked;
  }

  private List<Picked> stratumEqual(int count, RunRandom random) {
    var keys = new ArrayList<StratumKey>();
    var urns = new ArrayList<Urn>();
    strata.forEach((stratum, units) -> {
      if (!units.isEmpty()) {
        keys.add(stratum);
        urns.add(new Urn(units.size()));
      }
    });
    var picked = new ArrayList<Picked>(count);
    while (picked.size() < count) {
      int at = random.below(keys.size());
      StratumKey stratum = keys.get(at);
      Urn urn = urns.get(at);
      double probability = 1.0 / keys.size() / urn.left;
      ArrayList<Unit> units = strata.getOrDefault(stratum, new ArrayList<>());
      picked.add(new Picked(units.get(urn.draw(random)), stratum, probability));
      if (urn.left == 0) {
        keys.remove(at);
        urns.remove(at);
      }
    }
    return picked;
  }

  /// Numbers `0..n-1`, drawn without putting back.
  private static final class Urn {
    private final int[] numbers;
    private int left;

    private Urn(int n) {
      numbers = new int[n];
      left = n;
      for (int i = 0; i < n; i++) {
        numbers[i] = i;
      }
    }

    private int draw(RunRandom random) {
      int at = random.below(left);
      int number = numbers[at];
      left--;
      numbers[at] = numbers[left];
      return number;
    }
  }
}
