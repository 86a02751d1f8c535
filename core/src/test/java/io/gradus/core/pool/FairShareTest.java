package io.gradus.core.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.group.WorkerId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FairShareTest {

  private static final int MANY = 1_000_000;

  private static Claim claim(String run, double share, int wanted) {
    return new Claim(run, share, wanted);
  }

  @Test
  void sharesByWeightWhereEverybodyLacks() {
    assertThat(FairShare.due(512, List.of(claim("a", 3, MANY), claim("b", 1, MANY))))
        .isEqualTo(Map.of("a", 384, "b", 128));
  }

  @Test
  void lendsWhatARunDoesNotWant() {
    assertThat(
            FairShare.due(
                100, List.of(claim("a", 3, 10), claim("b", 1, MANY), claim("c", 2, MANY))))
        .isEqualTo(Map.of("a", 10, "b", 30, "c", 60));
  }

  @Test
  void sharesWhatNobodyWantsToo() {
    assertThat(FairShare.due(100, List.of(claim("a", 1, 0), claim("b", 1, 20))))
        .isEqualTo(Map.of("a", 40, "b", 60));
  }

  @Test
  void givesNothingWhereNobodyClaims() {
    assertThat(FairShare.due(100, List.of())).isEmpty();
    assertThat(FairShare.allot(workers(4, 8), List.of(), Map.of()).values()).allMatch(Map::isEmpty);
  }

  @ParameterizedTest
  @CsvSource({"1,1,1", "7,3,1", "10,1,1", "3,100,1", "256,2,3"})
  void givesTheSlotsOutWhole(int slots, double first, double second) {
    Map<String, Integer> due =
        FairShare.due(
            slots, List.of(claim("a", first, MANY), claim("b", second, MANY), claim("c", 1, MANY)));

    assertThat(due.values().stream().mapToInt(Integer::intValue).sum()).isEqualTo(slots);
  }

  @Test
  void keepsWorkersWholeWherePossible() {
    var allotted =
        FairShare.allot(
            workers(4, 256), List.of(claim("a", 3, MANY), claim("b", 1, MANY)), Map.of());

    assertThat(allotted.values())
        .as("three workers for one, one for the other")
        .containsExactlyInAnyOrder(
            Map.of("a", 256), Map.of("a", 256), Map.of("a", 256), Map.of("b", 256));
  }

  @Test
  void movesOnlyWhatANewRunIsDue() {
    List<Claim> alone = List.of(claim("a", 1, MANY));
    var before = FairShare.allot(workers(3, 100), alone, Map.of());

    var after =
        FairShare.allot(workers(3, 100), List.of(claim("a", 1, MANY), claim("b", 1, MANY)), before);

    assertThat(moved(before, after)).isEqualTo(150);
    assertThat(after.values().stream().filter(runs -> runs.size() > 1).count())
        .as("workers that two runs share")
        .isEqualTo(1);
  }

  /// Any order of runs and workers that come, go, and change their minds.
  @Test
  void isFairAndMovesLittleWhateverHappens() {
    for (long seed = 0; seed < 2_000; seed++) {
      var random = new SplittableRandom(seed);
      var workers = new HashMap<WorkerId, Integer>();
      var claims = new TreeMap<String, Claim>();
      Map<WorkerId, Map<String, Integer>> allotted = Map.of();
      for (int step = 0; step < 20; step++) {
        change(random, workers, claims);
        var before = allotted;
        allotted = FairShare.allot(workers, claims.values(), before);
        String where = "seed %d, step %d".formatted(seed, step);
        isWhole(where, workers, claims, allotted);
        assertThat(FairShare.allot(workers, claims.values(), allotted))
            .as("%s: nothing changed, nothing moves", where)
            .isEqualTo(allotted);
      }
    }
  }

  private static void change(
      SplittableRandom random, Map<WorkerId, Integer> workers, Map<String, Claim> claims) {
    String run = "run-" + random.nextInt(5);
    var worker = new WorkerId("worker-" + random.nextInt(8));
    switch (random.nextInt(4)) {
      case 0 -> workers.remove(worker);
      case 1 -> claims.remove(run);
      case 2 -> workers.put(worker, 1 + random.nextInt(64));
      default ->
          claims.put(
              run, claim(run, 0.5 + random.nextInt(8), random.nextInt(3) * random.nextInt(200)));
    }
  }

  private static void isWhole(
      String where,
      Map<WorkerId, Integer> workers,
      Map<String, Claim> claims,
      Map<WorkerId, Map<String, Integer>> allotted) {
    assertThat(allotted.keySet()).as(where).isEqualTo(workers.keySet());
    allotted.forEach((worker, runs) -> {
      assertThat(runs.values()).as(where).allMatch(slots -> slots > 0);
      assertThat(runs.values().stream().mapToInt(Integer::intValue).sum())
          .as("%s: slots of %s", where, worker)
          .isEqualTo(claims.isEmpty() ? 0 : workers.getOrDefault(worker, 0));
    });
    int slots = workers.values().stream().mapToInt(Integer::intValue).sum();
    FairShare.due(slots, claims.values())
        .forEach((run, due) ->
            assertThat(allotted.values().stream().mapToInt(runs -> runs.getOrDefault(run, 0)).sum())
                .as("%s: slots of %s", where, run)
                .isEqualTo(due));
  }

  @Test
  void splitsCreditsInTheProportionOfTheSlots() {
    assertThat(FairShare.split(512, Map.of(), Map.of("a", 192, "b", 64)))
        .isEqualTo(Map.of("a", 384, "b", 128));
    assertThat(FairShare.split(100, Map.of("a", 300, "b", 112), Map.of("a", 192, "b", 64)))
        .isEqualTo(Map.of("a", 84, "b", 16));
  }

  @Test
  void givesNothingToARunThatHoldsMoreThanItsShare() {
    assertThat(FairShare.split(112, Map.of("a", 400), Map.of("a", 128, "b", 128)))
        .isEqualTo(Map.of("a", 0, "b", 112));
    assertThat(FairShare.split(112, Map.of("gone", 400), Map.of("a", 256)))
        .isEqualTo(Map.of("a", 112));
  }

  @Test
  void neverSplitsMoreCreditsThanThereAre() {
    var random = new SplittableRandom(7);
    for (int round = 0; round < 2_000; round++) {
      int credits = random.nextInt(600);
      var held = new TreeMap<String, Integer>();
      var slots = new TreeMap<String, Integer>();
      for (String run : List.of("a", "b", "c")) {
        held.put(run, random.nextInt(300));
        slots.put(run, random.nextInt(100));
      }
      var split = FairShare.split(credits, held, slots);

      assertThat(split.values()).allMatch(given -> given >= 0);
      assertThat(split.values().stream().mapToInt(Integer::intValue).sum())
          .as("round %d", round)
          .isLessThanOrEqualTo(credits);
    }
  }

  private static Map<WorkerId, Integer> workers(int count, int slots) {
    var workers = new HashMap<WorkerId, Integer>();
    for (int worker = 0; worker < count; worker++) {
      workers.put(new WorkerId("worker-" + worker), slots);
    }
    return workers;
  }

  private static int moved(
      Map<WorkerId, Map<String, Integer>> before, Map<WorkerId, Map<String, Integer>> after) {
    var moved = new ArrayList<Integer>();
    after.forEach((worker, runs) ->
        runs.forEach((run, slots) ->
            moved.add(
                Math.max(0, slots - before.getOrDefault(worker, Map.of()).getOrDefault(run, 0)))));
    return moved.stream().mapToInt(Integer::intValue).sum();
  }
}
