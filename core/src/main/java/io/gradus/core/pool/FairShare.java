package io.gradus.core.pool;

import io.gradus.core.group.WorkerId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/*
 * Two questions, answered one after the other. How many slots is each run due: the weighted max-min
 * share, as in network scheduling (Bertsekas and Gallager, Data Networks, section 6.5.2): nobody
 * gets more than it wants while another lacks, and those who lack get slots in proportion to their
 * shares. And which: those it has, as far as they are due; a worker that changes runs loads other
 * weights, and two runs on one worker hold both.
 */

/// Shares the slots of workers among runs by weight, and moves as few as that takes.
public final class FairShare {

  private FairShare() {}

  /// Slots that each run is due.
  ///
  /// What nobody wants is shared by weight all the same, so that a run that wants more a moment
  /// later has it. The slots are given out whole, to the last one, where there is a claim.
  ///
  /// @param slots in the pool
  /// @param claims one a run
  public static Map<String, Integer> due(int slots, Collection<Claim> claims) {
    var exact = new TreeMap<String, Double>();
    List<Claim> modest =
        claims.stream()
            .sorted(
                Comparator.comparingDouble((Claim claim) -> claim.wanted() / claim.share())
                    .thenComparing(Claim::runId))
            .toList();
    double left = slots;
    double shares = modest.stream().mapToDouble(Claim::share).sum();
    for (Claim claim : modest) {
      double due = Math.min(claim.wanted(), left * claim.share() / shares);
      exact.put(claim.runId(), due);
      left -= due;
      shares -= claim.share();
    }
    double unwanted = left;
    double all = modest.stream().mapToDouble(Claim::share).sum();
    modest.forEach(
        claim -> exact.merge(claim.runId(), unwanted * claim.share() / all, Double::sum));
    return whole(slots, exact);
  }

  private record Rest(String run, double rest) {}

  /// Rounds by largest remainder.
  private static Map<String, Integer> whole(int slots, Map<String, Double> exact) {
    var rounded = new TreeMap<String, Integer>();
    var rests = new ArrayList<Rest>();
    exact.forEach((run, due) -> {
      // What floating point left a hair below a whole number is that number.
      int floor = (int) Math.floor(due + 1e-9);
      rounded.put(run, floor);
      rests.add(new Rest(run, due - floor));
    });
    int left = slots - rounded.values().stream().mapToInt(Integer::intValue).sum();
    rests.sort(Comparator.comparingDouble(Rest::rest).reversed().thenComparing(Rest::run));
    rests.stream()
        .limit(Math.max(0, left))
        .forEach(rest -> rounded.merge(rest.run, 1, Integer::sum));
    return rounded;
  }

  /// Slots of each worker for each run; runs without slots on a worker are left out.
  ///
  /// @param workers slots of each worker
  /// @param claims one a run
  /// @param before what was allotted last; workers and runs that are gone are ignored
  public static Map<WorkerId, Map<String, Integer>> allot(
      Map<WorkerId, Integer> workers,
      Collection<Claim> claims,
      Map<WorkerId, Map<String, Integer>> before) {
    int slots = workers.values().stream().mapToInt(Integer::intValue).sum();
    Map<String, Integer> due = due(slots, claims);
    List<Seats> all =
        workers.entrySet().stream()
            .map(worker ->
                new Seats(
                    worker.getKey(),
                    worker.getValue(),
                    before.getOrDefault(worker.getKey(), Map.of()),
                    due.keySet()))
            .sorted(Comparator.comparing(seats -> seats.worker.value()))
            .toList();
    record Lack(String run, int slots) {}
    var lacking = new ArrayList<Lack>();
    due.forEach((run, slotsDue) -> {
      int has = all.stream().mapToInt(seats -> seats.of(run)).sum();
      takeBack(run, has - slotsDue, all);
      lacking.add(new Lack(run, slotsDue - has));
    });
    lacking.sort(Comparator.comparingInt(Lack::slots).reversed().thenComparing(Lack::run));
    lacking.forEach(lack -> give(lack.run, lack.slots, all));
    return all.stream().collect(Collectors.toMap(seats -> seats.worker, seats -> seats.runs));
  }

  /// The slots of one worker.
  private static final class Seats {
    private final WorkerId worker;
    private final Map<String, Integer> runs = new TreeMap<>();
    private int free;

    /// Keeps what is known of before, as far as it fits: a worker may have come back smaller.
    private Seats(WorkerId worker, int slots, Map<String, Integer> before, Set<String> known) {
      this.worker = worker;
      this.free = slots;
      new TreeMap<>(before)
          .forEach((run, had) -> {
            if (known.contains(run)) {
              add(run, Math.min(had, free));
            }
          });
    }

    private int of(String run) {
      return runs.getOrDefault(run, 0);
    }

    private void add(String run, int slots) {
      runs.merge(run, slots, Integer::sum);
      runs.values().removeIf(left -> left == 0);
      free -= slots;
    }
  }

  /// Takes slots from a run, first where it has fewest: whole workers stay whole.
  private static void takeBack(String run, int surplus, List<Seats> all) {
    int left = surplus;
    for (Seats seats : sorted(all, Comparator.comparingInt(seats -> seats.of(run)))) {
      int taken = Math.clamp(left, 0, seats.of(run));
      seats.add(run, -taken);
      left -= taken;
    }
  }

  /// Gives free slots to a run: first where it is already, then where most are free.
  private static void give(String run, int lacking, List<Seats> all) {
    int left = lacking;
    Comparator<Seats> best = Comparator.comparing(seats -> seats.of(run) == 0);
    for (Seats seats :
        sorted(all, best.thenComparing(seats -> seats.free, Comparator.reverseOrder()))) {
      int given = Math.clamp(left, 0, seats.free);
      seats.add(run, given);
      left -= given;
    }
  }

  private static List<Seats> sorted(List<Seats> all, Comparator<Seats> order) {
    return all.stream().sorted(order).toList();
  }

  /// Splits what a worker takes now among the runs that it is allotted to.
  ///
  /// A worker holds more groups than it has slots, so that it never waits for a grant; what it
  /// holds and takes together is split in the proportion of the slots. A run that holds more than
  /// that, from before it had to share, gets nothing until it has come down.
  ///
  /// @param credits groups that the worker takes now, beyond those it holds
  /// @param held groups that it holds, by run
  /// @param slots allotted, by run
  /// @return credits for each allotted run
  public static Map<String, Integer> split(
      int credits, Map<String, Integer> held, Map<String, Integer> slots) {
    int room = credits + held.values().stream().mapToInt(Integer::intValue).sum();
    int all = slots.values().stream().mapToInt(Integer::intValue).sum();
    var exact = new TreeMap<String, Double>();
    slots.forEach((run, allotted) -> exact.put(run, all == 0 ? 0 : (double) room * allotted / all));
    var split = new TreeMap<String, Integer>();
    int left = credits;
    for (var entry : whole(all == 0 ? 0 : room, exact).entrySet()) {
      int given =
          Math.clamp((long) entry.getValue() - held.getOrDefault(entry.getKey(), 0), 0, left);
      split.put(entry.getKey(), given);
      left -= given;
    }
    return split;
  }
}
