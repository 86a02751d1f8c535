package io.gradus.learner;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.conditions.ArchConditions.be;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.time.Instant;
import org.jspecify.annotations.NullMarked;

@AnalyzeClasses(
    packages = "io.gradus.learner",
    importOptions = {
      ImportOption.DoNotIncludeTests.class,
      ArchitectureTest.DoNotIncludeMessages.class
    })
class ArchitectureTest {

  /// The messages of the wire live in a package below ours, but not in our module.
  static final class DoNotIncludeMessages implements ImportOption {
    @Override
    public boolean includes(Location location) {
      return !location.contains("io/gradus/learner/v1/");
    }
  }

  @ArchTest
  static final ArchRule KNOWS_NEITHER_AKKA_NOR_A_DATABASE =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("akka..", "java.sql..", "javax.sql..", "io.gradus.coordinator..")
          .because("it talks to the coordinator over gRPC alone");

  @ArchTest
  static final ArchRule READS_NO_CLOCK =
      noClasses()
          .should()
          .callMethod(System.class, "nanoTime")
          .orShould()
          .callMethod(System.class, "currentTimeMillis")
          .orShould()
          .callMethod(Instant.class, "now")
          .orShould()
          .callMethod(Thread.class, "sleep", long.class)
          .because("time comes in through constructors");

  @ArchTest
  static final ArchRule IS_NULL_MARKED =
      classes()
          .should(
              be(
                  describe(
                      "in a package annotated @NullMarked",
                      (JavaClass type) -> type.getPackage().isAnnotatedWith(NullMarked.class))))
          .because("NullAway looks at @NullMarked packages only");

  @ArchTest
  static final ArchRule OBJECTIVES_KNOW_NOTHING_OF_THE_WIRE =
      noClasses()
          .that()
          .resideInAnyPackage("io.gradus.learner.objective..", "io.gradus.learner.schedule..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "io.grpc..", "io.gradus.learner.v1..", "io.gradus.rollout.v1..", "io.gradus.run.v1..")
          .because("an objective is a function of tensors and recorded numbers");

  @ArchTest
  static final ArchRule HAS_NO_CYCLES =
      SlicesRuleDefinition.slices()
          .matching("io.gradus.learner.(*)..")
          .should()
          .beFreeOfCycles()
          .because("features build on one another in one direction");
}
