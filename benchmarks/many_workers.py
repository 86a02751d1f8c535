"""What many worker streams cost a coordinator; see many-workers.sh.

Each number of workers gets a coordinator of its own, with an SQLite ledger, and a second process
with as many connections and streams. A worker holds one lease and names it in its heartbeats.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from submit_race import Process, processor_seconds


def resident_mebibytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def heap_mebibytes(coordinator):
    """After a collection, twice: references are cleared in the first."""
    for _ in range(2):
        coordinator.process.stdin.write("collect\n")
        coordinator.process.stdin.flush()
        heap = int(coordinator.answer().split()[0])
    return heap / 2**20


def measure(arguments, count):
    home = pathlib.Path(tempfile.mkdtemp(prefix="many-workers-"))
    processes = []
    try:
        coordinator = Process(arguments, "512m", "CoordinatorProcess",
                              f"jdbc:sqlite:{home}/ledger.db", "", home)
        processes.append(coordinator)
        result = {"workers": count, "assigned": 0.0, "leased": 0.0}
        if count:
            workers = Process(arguments, "1g", "ManyWorkers", coordinator.first[0], count,
                              arguments.beat)
            processes.append(workers)
            result["assigned"], result["leased"] = map(float, workers.first)
        # The pool listens before it allots, and what was new settles.
        time.sleep(arguments.settle)
        before, begun = coordinator.processor(), time.monotonic()
        time.sleep(arguments.seconds)
        result["cores"] = (coordinator.processor() - before) / (time.monotonic() - begun)
        result["heap"] = heap_mebibytes(coordinator)
        result["resident"] = resident_mebibytes(coordinator.process.pid)
        result["threads"] = len(list(pathlib.Path(
            f"/proc/{coordinator.process.pid}/task").iterdir()))
    finally:
        for process in reversed(processes):
            process.stop()
        shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 500, 2000])
    parser.add_argument("--beat", type=int, default=5, help="seconds between heartbeats")
    parser.add_argument("--seconds", type=float, default=20, help="of idle processor time")
    parser.add_argument("--settle", type=float, default=15)
    parser.add_argument("--jvm", default="", help="further options of the coordinator's JVM")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    arguments.java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
    results = [measure(arguments, count) for count in arguments.workers]
    base = results[0]
    print(f"a heartbeat every {arguments.beat} s; load average {os.getloadavg()[0]:.1f}")
    print("| workers | all have the run, s | all have a lease, s | cores while idle | heap MiB "
          "| resident MiB | threads | heap KiB a worker | resident KiB a worker |")
    print("|---|---|---|---|---|---|---|---|---|")
    for result in results:
        more = max(1, result["workers"] - base["workers"])
        grown = "" if result is base else f"{1024 * (result['heap'] - base['heap']) / more:.0f}"
        resident = ("" if result is base
                    else f"{1024 * (result['resident'] - base['resident']) / more:.0f}")
        print(f"| {result['workers']:,} | {result['assigned']:.1f} | {result['leased']:.1f} "
              f"| {result['cores']:.2f} | {result['heap']:.0f} | {result['resident']:.0f} "
              f"| {result['threads']} | {grown} | {resident} |")


if __name__ == "__main__":
    main()
