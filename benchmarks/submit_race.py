"""Races the coordinator against clients that only insert; see submit-race.sh.

Both write to the same PostgreSQL, in turn, round by round. Everybody is a process of its own:
the database with the bare clients, the coordinator, the simulated workers. Nothing else is
measured than what they say themselves, and the processor time of each, from the kernel.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

JVM = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
       # Standard output is for answers.
       "-Xlog:disable", "-Xlog:all=error:stderr"]
PACKAGE = "io.gradus.benchmarks.load."
TICKS = os.sysconf("SC_CLK_TCK")
# A group of one trajectory has eight bytes a token, and a few.
TOKENS_OF_8_KIB = 1000


def processor_seconds(pid):
    """User and system time of a process, its live descendants and those it has waited for."""
    total, left = 0.0, [pid]
    while left:
        pid = left.pop()
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15]) / TICKS
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                left += [int(child) for child in (task / "children").read_text().split()]
        except FileNotFoundError:
            pass
    return total


class Process:
    """A Java process that answers a line for each line."""

    def __init__(self, arguments, heap, name, *words):
        self.name = name
        options = arguments.jvm.split() if name == "CoordinatorProcess" else []
        self.process = subprocess.Popen(
            [arguments.java, f"-Xmx{heap}", *JVM, *options, PACKAGE + name,
             *map(str, words)],
            env={**os.environ, "CLASSPATH": arguments.class_path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=None if arguments.verbose else subprocess.DEVNULL, text=True)
        self.first = self.answer().split()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return line.strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.answer())

    def processor(self):
        return processor_seconds(self.process.pid)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Server:
    """The database."""

    name = "postgres"

    def __init__(self, pid):
        self.pid = int(pid)

    def processor(self):
        return processor_seconds(self.pid)


def measured(line, ask, processes):
    before = [process.processor() for process in processes]
    result = ask(line)
    for process, processor in zip(processes, before):
        result[process.name] = round(process.processor() - processor, 2)
    print(json.dumps({"measured": line, **result}), file=sys.stderr, flush=True)
    return result


def median(results, key):
    return statistics.median(result[key] for result in results)


def spread(results, key="per_second"):
    values = sorted(result[key] for result in results)
    return f"{statistics.median(values):,.0f} | {values[0]:,.0f} to {values[-1]:,.0f}"


def postgres(arguments, home):
    processes = []
    try:
        plain = Process(arguments, "256m", "PlainInserts", arguments.clients, arguments.row_bytes)
        processes.append(plain)
        coordinator = Process(
            arguments, "2g", "CoordinatorProcess", plain.first[0], "postgres", home)
        processes.append(coordinator)
        load = Process(arguments, "512m", "SubmitLoad", coordinator.first[0], arguments.workers,
                       arguments.groups_per_call, arguments.tokens)
        processes.append(load)
        watched = [*processes, Server(plain.first[1])]
        measured(f"flat {arguments.warm_up}", load.ask, watched)
        measured("3", plain.ask, watched)
        inserts, submits = [], []
        for _ in range(arguments.rounds):
            inserts.append(measured(str(arguments.seconds), plain.ask, watched))
            submits.append(measured(f"flat {arguments.seconds}", load.ask, watched))
        rate = median(submits, "per_second")
        half = measured(f"pace {rate / 2:.0f} {2 * arguments.seconds}", load.ask, watched)
    finally:
        for process in reversed(processes):
            process.stop()
    ratio = rate / median(inserts, "per_second")
    pairs = [submit["per_second"] / insert["per_second"]
             for submit, insert in zip(submits, inserts)]
    print(f"PostgreSQL, {arguments.workers} workers, {arguments.groups_per_call} groups a call, "
          f"{arguments.tokens} tokens a group; {arguments.clients} bare clients, "
          f"rows of {arguments.row_bytes} bytes; load average {os.getloadavg()[0]:.1f}")
    print("| | a second, median | (min to max) | p50 ms | p99 ms |")
    print("|---|---|---|---|---|")
    print(f"| rows inserted, one a transaction | {spread(inserts)} "
          f"| {median(inserts, 'p50_ms'):.1f} | {median(inserts, 'p99_ms'):.1f} |")
    print(f"| groups acknowledged | {spread(submits)} "
          f"| {median(submits, 'p50_ms'):.1f} | {median(submits, 'p99_ms'):.1f} |")
    print(f"| groups at half load | {half['per_second']:,.0f} | "
          f"| {half['p50_ms']:.1f} | {half['p99_ms']:.1f} |")
    print(f"ratio {ratio:.2f} ({min(pairs):.2f} to {max(pairs):.2f}); target 0.5")
    for what, results, names in (
            ("row", inserts, ("postgres", "PlainInserts")),
            ("group", submits, ("postgres", "CoordinatorProcess", "SubmitLoad"))):
        count = sum(result["per_second"] * result["seconds"] for result in results)
        print(f"processor microseconds a {what}: " + ", ".join(
            f"{name} {1e6 * sum(result[name] for result in results) / count:.0f}"
            for name in names))


def sqlite(arguments, home):
    load = Process(arguments, "2g", "SubmitLoad", home, arguments.workers,
                   arguments.groups_per_call, arguments.tokens)
    try:
        measured(f"flat {arguments.warm_up}", load.ask, [load])
        submits = [measured(f"flat {arguments.seconds}", load.ask, [load])
                   for _ in range(arguments.rounds)]
        rate = median(submits, "per_second")
        half = measured(f"pace {rate / 2:.0f} {2 * arguments.seconds}", load.ask, [load])
    finally:
        load.stop()
    print(f"SQLite, {arguments.workers} workers, {arguments.groups_per_call} groups a call, "
          f"{arguments.tokens} tokens a group; load average {os.getloadavg()[0]:.1f}")
    print("| | a second, median | (min to max) | p50 ms | p99 ms |")
    print("|---|---|---|---|---|")
    print(f"| groups acknowledged | {spread(submits)} "
          f"| {median(submits, 'p50_ms'):.1f} | {median(submits, 'p99_ms'):.1f} |")
    print(f"| groups at half load | {half['per_second']:,.0f} | "
          f"| {half['p50_ms']:.1f} | {half['p99_ms']:.1f} |")
    print("target 5,000 a second with 200 tokens a group")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", choices=["postgres", "sqlite"])
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--groups-per-call", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--row-bytes", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warm-up", type=float, default=20)
    parser.add_argument("--jvm", default="", help="further options of the coordinator's JVM")
    parser.add_argument("--directory", help="of the SQLite file; by default a temporary one")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    arguments.java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
    for name, postgres_default, sqlite_default in (
            ("workers", 32, 4), ("groups_per_call", 1, 64), ("tokens", TOKENS_OF_8_KIB, 200)):
        if getattr(arguments, name) is None:
            setattr(arguments, name,
                    postgres_default if arguments.ledger == "postgres" else sqlite_default)
    home = pathlib.Path(tempfile.mkdtemp(prefix="submit-race-", dir=arguments.directory))
    begun = time.monotonic()
    try:
        (postgres if arguments.ledger == "postgres" else sqlite)(arguments, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
