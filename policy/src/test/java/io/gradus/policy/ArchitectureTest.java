package io.gradus.policy;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.conditions.ArchConditions.be;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Instant;
import org.jspecify.annotations.NullMarked;

@AnalyzeClasses(packages = "io.gradus.policy", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

  @ArchTest
  static final ArchRule KNOWS_NO_OTHER_LAYER =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "akka..",
              "io.grpc..",
              "com.google.protobuf..",
              "java.sql..",
              "javax.sql..",
              "io.gradus.coordinator..",
              "io.gradus.learner..",
              "io.gradus.rollout..")
          .because("a model knows nothing of clusters, wires and ledgers");

  @ArchTest
  static final ArchRule TAKES_TIME_AND_CHANCE_FROM_OUTSIDE =
      noClasses()
          .should()
          .callMethod(System.class, "nanoTime")
          .orShould()
          .callMethod(System.class, "currentTimeMillis")
          .orShould()
          .callMethod(Instant.class, "now")
          .orShould()
          .callMethod(Math.class, "random")
          .orShould()
          .callMethod(Thread.class, "sleep", long.class)
          .because("a sample is named by its key and a model by its seed");

  @ArchTest
  static final ArchRule READS_WITHOUT_TRAINING =
      noClasses()
          .that()
          .resideInAnyPackage("io.gradus.policy", "io.gradus.policy.sampling..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.gradus.policy.training..")
          .because("a rollout worker samples and never trains");

  @ArchTest
  static final ArchRule REPORTS_TO_NOBODY =
      noClasses()
          .should()
          .dependOnClassesThat()
          .haveFullyQualifiedName("ai.djl.huggingface.tokenizers.HuggingFaceTokenizer")
          .because("it asks a server of its makers to count each use, and truncates");

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
