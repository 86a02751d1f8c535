package io.gradus.coordinator;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.conditions.ArchConditions.be;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Instant;
import org.jspecify.annotations.NullMarked;

@AnalyzeClasses(
    packages = "io.gradus.coordinator",
    importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

  @ArchTest
  static final ArchRule KNOWS_NO_TENSORS =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.bytedeco..", "io.gradus.policy..", "io.gradus.worker..")
          .because("the coordinator decides with ids and numbers; models are elsewhere");

  @ArchTest
  static final ArchRule KEEPS_SQL_IN_THE_LEDGER =
      noClasses()
          .that()
          .resideOutsideOfPackage("io.gradus.coordinator.ledger..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "java.sql..",
              "javax.sql..",
              "org.jdbi..",
              "com.zaxxer..",
              "org.flywaydb..",
              "org.sqlite..",
              "org.postgresql..")
          .because("the statements of the ledger, and its fence, are in one place");

  @ArchTest
  static final ArchRule KEEPS_ACTORS_OUT_OF_LEDGER_AUDIT_AND_SPEC =
      noClasses()
          .that()
          .resideInAnyPackage(
              "io.gradus.coordinator.ledger..",
              "io.gradus.coordinator.audit..",
              "io.gradus.coordinator.spec..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("akka..", "io.grpc..")
          .because("they are used by commands that start no cluster");

  @ArchTest
  static final ArchRule KEEPS_PROTOS_AT_THE_EDGES =
      noClasses()
          .that()
          .resideInAnyPackage("io.gradus.coordinator.ledger..", "io.gradus.coordinator.run..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("io.gradus.*.v1..", "com.google.protobuf..")
          .because("edges map; what is inside speaks of the domain");

  @ArchTest
  static final ArchRule READS_NO_CLOCK =
      noClasses()
          .that()
          .doNotHaveFullyQualifiedName("io.gradus.coordinator.Coordinator")
          .should()
          .callMethod(System.class, "nanoTime")
          .orShould()
          .callMethod(System.class, "currentTimeMillis")
          .orShould()
          .callMethod(Instant.class, "now")
          .orShould()
          .callMethod(Thread.class, "sleep", long.class)
          .orShould()
          .callMethod(System.class, "exit", int.class)
          .orShould()
          .accessField(System.class, "out")
          .because("time comes in through constructors, and the process belongs to its main");

  @ArchTest
  static final ArchRule HAS_NO_CYCLES =
      slices()
          .matching("io.gradus.coordinator.(*)..")
          .should()
          .beFreeOfCycles()
          .because("features build on one another in one direction");

  @ArchTest
  static final ArchRule IS_NULL_MARKED =
      classes()
          .should(
              be(
                  describe(
                      "in a package annotated @NullMarked",
                      (JavaClass type) -> type.getPackage().isAnnotatedWith(NullMarked.class))))
          .because("NullAway looks at @NullMarked packages only");
}
