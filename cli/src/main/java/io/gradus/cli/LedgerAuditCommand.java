package io.gradus.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.progress.Words;
import io.gradus.coordinator.audit.AuditReport;
import io.gradus.coordinator.audit.Finding;
import io.gradus.coordinator.audit.RunAudit;
import io.gradus.coordinator.ledger.LedgerConfig;
import io.gradus.coordinator.ledger.LedgerException;
import io.gradus.coordinator.ledger.ReadOnlyLedger;
import io.gradus.core.group.GroupState;
import io.gradus.ledger.v1.AuditRunRequest;
import io.gradus.ledger.v1.AuditRunResponse;
import io.gradus.ledger.v1.LedgerServiceGrpc;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Proves that the books of a run balance.
@Command(
    name = "audit",
    description = {
      "Recomputes everything that a run recorded of itself, and compares.",
      "",
      "Reads every group, lease, use, batch, payload, version and evaluation once, as of one"
          + " moment, and changes nothing; a run may go on meanwhile."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus ledger audit runs/addition-…             a run directory",
      "  gradus ledger audit runs/addition-…/ledger.db   its ledger",
      "  gradus ledger audit addition-… --coordinator 127.0.0.1:7070",
      "  gradus ledger audit --json DIR | jq '.runs[].findings'",
      "",
      "Exit status: 0 sound, 1 something is wrong (the rows are named), 2 not a ledger, or no such run."
    })
final class LedgerAuditCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(
      paramLabel = "DIR|RUN",
      description = "A run directory, the ledger.db in it, or with --coordinator the id of a run.")
  private Path path = Path.of("");

  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT[,…]",
      description = "Have a coordinator audit the run; one of these is enough.")
  private @Nullable String coordinator;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  LedgerAuditCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (coordinator != null) {
      return auditRemotely(coordinator);
    }
    Path file = file();
    var reports = new ArrayList<AuditReport>();
    try (var ledger = ReadOnlyLedger.open(LedgerConfig.sqlite(file))) {
      for (String run : ledger.reader().runIds()) {
        reports.add(audit(ledger, run));
      }
    } catch (LedgerException unreadable) {
      throw CommandException.wrongInput(messageOf(file, unreadable));
    }
    if (reports.isEmpty()) {
      throw CommandException.wrongInput("%s: no run was recorded in it".formatted(file));
    }
    return tell(file.toString(), reports);
  }

  /// Audits a run where it is; it may go on meanwhile.
  private int auditRemotely(String coordinators) {
    String run = path.toString();
    try (CoordinatorChannel channel =
        CoordinatorOption.channel(
            CoordinatorOption.parsed("--coordinator", coordinators), console)) {
      return received(channel, run)
          .map(report -> tell(RunCalls.text(channel), List.of(mapped(report))))
          .orElseThrow(() ->
              CommandException.failed(
                  "the coordinator ended the audit of run %s without a report; repeat it"
                      .formatted(run)));
    }
  }

  private Optional<io.gradus.ledger.v1.AuditReport> received(
      CoordinatorChannel channel, String run) {
    try (var progress = new Progress(run)) {
      Optional<io.gradus.ledger.v1.AuditReport> report = Optional.empty();
      Iterator<AuditRunResponse> answers =
          LedgerServiceGrpc.newBlockingStub(channel)
              .auditRun(AuditRunRequest.newBuilder().setRunId(run).build());
      while (answers.hasNext()) {
        AuditRunResponse answer = answers.next();
        if (answer.hasReport()) {
          report = Optional.of(answer.getReport());
        } else {
          var _ = progress.rowsRead(answer.getRowsRead());
        }
      }
      return report;
    } catch (StatusRuntimeException e) {
      throw RunCalls.refused(channel, e.getStatus());
    }
  }

  private static AuditReport mapped(io.gradus.ledger.v1.AuditReport report) {
    return new AuditReport(
        report.getRunId(),
        report.getRunState(),
        report.getGroupsCreated(),
        report.getGroupsMap(),
        report.getUses(),
        report.getBatchesMap(),
        report.getOptimizerSteps(),
        report.getPolicyVersions(),
        report.getResidual(),
        report.getFindingsList().stream()
            .map(finding -> new Finding(finding.getRule(), finding.getRow(), finding.getMessage()))
            .toList());
  }

  /// @param source where the books are
  private int tell(String source, List<AuditReport> reports) {
    if (isJson) {
      console.out().println(json(source, reports));
    } else {
      reports.forEach(report -> print(source, report));
    }
    return reports.stream().allMatch(AuditReport::isSound) ? ExitStatus.DONE : ExitStatus.FAILED;
  }

  private Path file() {
    if (Files.isDirectory(path)) {
      return path.resolve("ledger.db");
    }
    if (!Files.exists(path)) {
      throw CommandException.wrongInput(
          "%s is not there; name a run directory, such as one in runs/, or its ledger.db"
              .formatted(path));
    }
    return path;
  }

  private static String messageOf(Path file, LedgerException unreadable) {
    String message = String.valueOf(unreadable.getMessage());
    return message.startsWith(file.toString()) ? message : file + ": " + message;
  }

  private AuditReport audit(ReadOnlyLedger ledger, String run) {
    var progress = new Progress(run);
    RunAudit.Result result =
        RunAudit.of(ledger.reader(), run, progress::rowsRead, System::nanoTime);
    progress.close();
    return switch (result) {
      case RunAudit.Result.Done(var report, _) -> report;
      case RunAudit.Result.Absent(), RunAudit.Result.Stopped() ->
          throw new IllegalStateException("run %s was listed, but %s".formatted(run, result));
    };
  }

  /// Tells how far an audit has come, once it takes longer than a person waits without asking. It
  /// is told about every second.
  private final class Progress implements AutoCloseable {

    private static final int SILENT_SECONDS = 2;
    private static final int SECONDS_A_LINE = 10;

    private final String run;
    private int seconds;
    private boolean isLineOpen;

    private Progress(String run) {
      this.run = run;
    }

    private boolean rowsRead(long rows) {
      seconds++;
      if (seconds >= SILENT_SECONDS && console.isTerminal()) {
        console.err().printf("\r%s: %s rows read", run, Words.count(rows));
        console.err().flush();
        isLineOpen = true;
      } else if (seconds % SECONDS_A_LINE == SILENT_SECONDS) {
        console.err().printf("%s: %s rows read%n", run, Words.count(rows));
      }
      return true;
    }

    @Override
    public void close() {
      if (isLineOpen) {
        console.err().print("\r" + " ".repeat(console.columns() - 1) + "\r");
        console.err().flush();
      }
    }
  }

  // ---- for people

  private void print(String file, AuditReport report) {
    console
        .out()
        .printf(
            "%s: run %s is %s%n",
            file, report.runId(), report.runState().isEmpty() ? "unreadable" : report.runState());
    row("groups created", report.groupsCreated());
    groups(report.groups()).forEach((state, groups) -> row("  " + state, groups));
    row("uses", report.uses());
    row("batches", report.batches().values().stream().mapToLong(Long::longValue).sum());
    report.batches().forEach((state, batches) -> row("  " + state, batches));
    row("optimizer steps", report.optimizerSteps());
    row("policy versions", report.policyVersions());
    row("residual", report.residual());
    row("findings", report.findings().size());
    for (Finding finding : report.findings()) {
      console
          .err()
          .printf(
              "gradus: %s: %s: %s [%s]%n", file, finding.row(), finding.message(), finding.rule());
    }
  }

  private void row(String name, long number) {
    console.out().printf("  %-28s %12s%n", name, Words.count(number));
  }

  /// Every state in the order of a group's life, those that nobody is in too.
  private static Map<String, Long> groups(Map<String, Long> counted) {
    var groups = new LinkedHashMap<String, Long>();
    for (GroupState state : GroupState.values()) {
      List<String> labels =
          counted.keySet().stream()
              .filter(label -> label.replaceFirst("\\(.*", "").equals(state.name()))
              .toList();
      labels.forEach(label -> groups.put(label, counted.getOrDefault(label, 0L)));
      if (labels.isEmpty()) {
        groups.put(state.name(), 0L);
      }
    }
    return groups;
  }

  // ---- for machines

  private static ObjectNode json(String file, List<AuditReport> reports) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("ledger", file).put("sound", reports.stream().allMatch(AuditReport::isSound));
    ArrayNode runs = json.putArray("runs");
    for (AuditReport report : reports) {
      ObjectNode run =
          runs.addObject()
              .put("run_id", report.runId())
              .put("state", report.runState())
              .put("groups_created", report.groupsCreated());
      ObjectNode groups = run.putObject("groups");
      groups(report.groups()).forEach(groups::put);
      run.put("uses", report.uses());
      ObjectNode batches = run.putObject("batches");
      report.batches().forEach(batches::put);
      run.put("optimizer_steps", report.optimizerSteps())
          .put("policy_versions", report.policyVersions())
          .put("residual", report.residual());
      ArrayNode findings = run.putArray("findings");
      report
          .findings()
          .forEach(finding ->
              findings
                  .addObject()
                  .put("rule", finding.rule())
                  .put("row", finding.row())
                  .put("message", finding.message()));
    }
    return json;
  }
}
