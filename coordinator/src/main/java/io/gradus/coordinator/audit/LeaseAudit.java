package io.gradus.coordinator.audit;

import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/// Checks that leases were granted once each, and that a group names its own.
final class LeaseAudit {

  private final AuditedRun run;
  private final NumberSet granted = new NumberSet();
  private long rows;

  LeaseAudit(AuditedRun run) {
    this.run = run;
  }

  void count(List<Named<LeaseRow>> leases) {
    for (Named<LeaseRow> named : leases) {
      rows++;
      named
          .row()
          .sound()
          .map(lease -> lease.id().value())
          .ifPresent(id -> {
            if (id >= run.row().nextLease()) {
              run.findings()
                  .add(
                      Rule.LEASE_BELONGS,
                      named.name(),
                      "the next lease of the run is %d",
                      run.row().nextLease());
            } else if (!granted.add(id)) {
              run.findings()
                  .add(Rule.LEASE_BELONGS, named.name(), "lease %d was granted twice", id);
            }
          });
    }
  }

  void check(String name, GroupRow group, List<Named<LeaseRow>> named) {
    count(named);
    run.findings().expect(Rule.LEASE_BELONGS, name, "its attempts", group.attempts(), named.size());
    var leases = new TreeMap<LeaseId, WorkerId>();
    named.forEach(
        lease -> lease.row().sound().ifPresent(row -> leases.put(row.id(), row.worker())));
    if (!leases.containsKey(group.lease()) || !group.lease().equals(leases.lastKey())) {
      run.findings()
          .add(
              Rule.LEASE_BELONGS,
              name,
              "its newest lease is %d, but those of its leases are %s",
              group.lease().value(),
              leases.keySet());
    }
    Optional<LeaseId> admitted = group.admitted().map(GroupRow.Admitted::lease);
    if (admitted.isPresent() && !leases.containsKey(admitted.get())) {
      run.findings()
          .add(
              Rule.LEASE_BELONGS,
              name,
              "was admitted under lease %d, but its leases are %s",
              admitted.get().value(),
              leases.keySet());
      return;
    }
    WorkerId holder = leases.get(admitted.orElse(group.lease()));
    if (holder != null && !holder.equals(group.worker())) {
      run.findings()
          .add(
              Rule.LEASE_BELONGS,
              name,
              "names worker %s, but %s held lease %d",
              group.worker().value(),
              holder.value(),
              admitted.orElse(group.lease()).value());
    }
  }

  void finish() {
    run.findings()
        .expect(Rule.RUN_COUNTS, "run", "next_lease less 1", run.row().nextLease() - 1, rows);
    for (long id = 1, reported = 0; id < run.row().nextLease() && reported < 10; id++) {
      if (!granted.contains(id)) {
        reported++;
        run.findings()
            .add(
                Rule.LEASE_BELONGS,
                "lease " + id,
                "missing; leases are numbered 1 to n without holes");
      }
    }
  }
}
