package io.gradus.cli;

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

@AnalyzeClasses(packages = "io.gradus.cli", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

  @ArchTest
  static final ArchRule KEEPS_OUT_OF_OTHERS_TRADES =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("akka..", "org.bytedeco..", "java.sql..", "javax.sql..", "org.jdbi..")
          .because("the command composes roles; what they are made of is theirs");

  @ArchTest
  static final ArchRule TAKES_CLOCK_AND_STREAMS_AS_PARAMETERS =
      noClasses()
          .that()
          .doNotHaveSimpleName("Main")
          .should()
          .callMethod(System.class, "currentTimeMillis")
          .orShould()
          .callMethod(Instant.class, "now")
          .orShould()
          .callMethod(System.class, "exit", int.class)
          .orShould()
          .callMethod(Thread.class, "sleep", long.class)
          .orShould()
          .accessField(System.class, "out")
          .orShould()
          .accessField(System.class, "err")
          .because("a test of the command runs it in its own JVM and reads what it wrote");

  @ArchTest
  static final ArchRule HAS_NO_CYCLES =
      slices()
          .matching("io.gradus.cli.(*)..")
          .should()
          .beFreeOfCycles()
          .because("a reader begins somewhere");

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
