package io.gradus.worker;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.conditions.ArchConditions.be;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.time.Instant;
import org.jspecify.annotations.NullMarked;

@AnalyzeClasses(packages = "io.gradus.worker", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

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
  static final ArchRule ENGINES_KNOW_NOTHING_OF_THE_WIRE =
      noClasses()
          .that()
          .resideInAPackage("io.gradus.worker.engine..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("io.grpc..", "io.gradus.rollout.v1..", "io.gradus.run.v1..")
          .because("an engine samples; what becomes of it is the worker's affair");

  @ArchTest
  static final ArchRule HAS_NO_CYCLES =
      SlicesRuleDefinition.slices()
          .matching("io.gradus.worker.(*)..")
          .should()
          .beFreeOfCycles()
          .because("features build on one another in one direction");
}
