"""Runs Gradus and the plain PyTorch program alternately and compares them; see addition-race.sh.

Each run is a whole process, timed from outside: wall time from its start to its exit, user and system
time of it and its children, largest resident size. Every run is one line of a JSON-lines file, so that
a race can be stopped and continued (`--out` an existing file skips what it holds) and its tables
printed again (`--from`).
"""

import argparse
import datetime
import json
import os
import platform
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# What is compared with what. The first side of a table is Gradus; each other is a setting of the
# opponent, and the one with the smallest median is its better setting. The example is the best
# recipe of Gradus, so its runs are in both tables.
TABLES = {
    "same": ("The same recipe", ["gradus", "pytorch-1", "pytorch-2"]),
    "best": (
        "Each side's best recipe",
        ["gradus", "pytorch-1", "pytorch-2", "pytorch-best-1", "pytorch-best-2"],
    ),
}
NAMES = {
    "gradus": "Gradus",
    "pytorch-1": "PyTorch, 1 thread",
    "pytorch-2": "PyTorch, 2 threads",
    "pytorch-best-1": "PyTorch in buckets, 1 thread",
    "pytorch-best-2": "PyTorch in buckets, 2 threads",
}


def recipe():
    """The options of the opponent's best recipe: shell words, `#` begins a comment."""
    return shlex.split((HERE / "recipes" / "pytorch-best.args").read_text(), comments=True)


def gradus_command(gradus, spec, seed, run_dir):
    return [gradus, "run", spec, "--seed", str(seed), "--json", "--run-dir", str(run_dir)]


def command(side, seed, run_dir, options):
    """The command line of one run."""
    if side == "gradus":
        return gradus_command(options.gradus, options.spec, seed, run_dir)
    program = [sys.executable, str(HERE / "addition_star.py"), "--quiet", "--seed", str(seed)]
    program += recipe() if "best" in side else []
    return [*program, "--threads", side[-1]]


def measure(words, threads, limit, log):
    """Runs a command to its end: exit status, wall and processor seconds, largest resident size, output."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    with open(log, "w+b") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            words, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            wall = time.monotonic() - started
            if pid:
                break
            if wall > limit:
                process.kill()  # only `gradus` itself: it replaces its shell by the JVM
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return {
        "exit": process.returncode,
        "wall": round(wall, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "rss_mb": round(usage.ru_maxrss / 1024),
    }, text


def outcome_of_pytorch(text):
    """What the program says in its last line."""
    lines = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return {}
    result = json.loads(lines[-1].removeprefix("RESULT "))
    return {
        "digits": result["confirmed"],
        "trained": result["trained"],
        "sampled": result["sampled"],
        "evaluated": result["evaluated"],
        "steps": result["steps"],
        "version": "torch " + result["torch"],
    }


def outcome_of_gradus(run_dir):
    """What summary.json says; its own times are kept beside those measured from outside."""
    file = run_dir / "summary.json"
    if not file.exists():
        return {}
    summary = json.loads(file.read_text())
    return {
        "digits": int(summary.get("evaluation", {}).get("digits_handled_confirmed", 0)),
        "trained": summary.get("sequences_trained", 0),
        "sampled": summary.get("trajectories_sampled", 0),
        "steps": summary["optimizer_steps"],
        "own_wall": summary["wall_seconds"],
        "own_cpu": summary["cpu_seconds"],
        "residual": summary["accounting_residual"],
    }


def recorded(words, outcome, threads, target, limit):
    """One run in a directory of its own, as a row.

    `words` makes the command line for a run directory; `outcome` reads that directory and what was
    printed.
    """
    with tempfile.TemporaryDirectory(prefix="addition-race-") as scratch:
        run_dir = Path(scratch) / "run"
        measured, text = measure(words(run_dir), threads, limit, Path(scratch) / "log")
        row = {**measured, **outcome(run_dir, text)}
    row["reached"] = row["exit"] == 0 and row.get("digits", 0) >= target
    row["limit"] = limit
    if not row["reached"]:
        row["tail"] = text[-2000:]
    return row


def summarized(row):
    """A row for people who wait."""
    return (
        f"wall {row['wall']:6.1f}  cpu {row['cpu']:6.1f}  {row['rss_mb']:5d} MB  "
        + (f"{row['digits']} digits" if row["reached"] else f"NOT REACHED, exit {row['exit']}")
    )


def race(options, sides, rows, append):
    """Every side once for each seed; who comes first changes from seed to seed."""
    held = {(row["side"], row["seed"]) for row in rows}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for at, seed in enumerate(seeds):
        for side in sides[at % len(sides) :] + sides[: at % len(sides)]:
            if (side, seed) in held:
                continue
            load = os.getloadavg()[0]
            row = recorded(
                lambda run_dir: command(side, seed, run_dir, options),
                lambda run_dir, text: outcome_of_gradus(run_dir) if side == "gradus" else outcome_of_pytorch(text),
                1 if side == "gradus" else int(side[-1]),
                options.target,
                options.limit,
            )
            row = {"side": side, "seed": seed, **row, "load_before": load}
            rows.append(row)
            append(row)
            print(f"{side:14} seed {seed:3d}  {summarized(row)}", file=sys.stderr, flush=True)


def bootstrap(numerators, denominators, draws, seed):
    """The ratio of medians of paired runs and its 95 % percentile interval, seeds drawn with replacement."""
    pairs = list(zip(numerators, denominators, strict=True))
    generator = random.Random(seed)
    ratios = []
    for _ in range(draws):
        sample = generator.choices(pairs, k=len(pairs))
        ratios.append(statistics.median(x for x, _ in sample) / statistics.median(y for _, y in sample))
    ratios.sort()
    ratio = statistics.median(numerators) / statistics.median(denominators)
    return ratio, ratios[int(0.025 * draws)], ratios[min(draws - 1, int(0.975 * draws))]


def tables(rows, names, draws, seed):
    """The tables as markdown, over the seeds that every side of a table has run.

    A run that did not reach the target counts with the wall time that it was given, so that failing
    early is never fast.
    """
    out = []
    for name in names:
        title, sides = TABLES[name]
        by_side = {side: {r["seed"]: r for r in rows if r["side"] == side} for side in sides}
        sides = [side for side in sides if by_side[side]]
        if not sides:
            continue
        seeds = sorted(set.intersection(*(set(by_side[side]) for side in sides)))
        if not seeds:
            continue
        runs = {side: [charged(by_side[side][seed]) for seed in seeds] for side in sides}
        out += [f"### {title}", "", f"{len(seeds)} seeds: {seeds[0]} to {seeds[-1]}.", ""]
        out += [
            "| side | reached | wall s, median | (min to max) | CPU s, median | memory MB, median"
            " | CPU s per 1,000 trained | per 1,000 sampled | steps, median |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for side in sides:
            of = lambda key: [run.get(key, 0) for run in runs[side]]
            per = lambda key: [1000 * run["cpu"] / run[key] for run in runs[side] if run.get(key)]
            walls = of("wall")
            out.append(
                f"| {NAMES[side]} | {sum(of('reached'))}/{len(seeds)} | {statistics.median(walls):.1f}"
                f" | {min(walls):.1f} to {max(walls):.1f} | {statistics.median(of('cpu')):.1f}"
                f" | {statistics.median(of('rss_mb')):.0f}"
                f" | {median_or_dash(per('trained'))} | {median_or_dash(per('sampled'))}"
                f" | {statistics.median(of('steps')):.0f} |"
            )
        out.append("")
        opponents = [side for side in sides if side != "gradus"]
        if len(opponents) == len(sides) or not opponents:
            continue
        better = min(opponents, key=lambda side: statistics.median(r["wall"] for r in runs[side]))
        for side in opponents:
            for key, what in (("wall", "wall time"), ("cpu", "CPU time")):
                ratio, low, high = bootstrap(
                    [r[key] for r in runs[sides[0]]], [r[key] for r in runs[side]], draws, seed
                )
                mark = ", its better setting" if side == better else ""
                out.append(
                    f"* Gradus / {NAMES[side]}{mark}, {what}: **{ratio:.2f}**, 95 % interval {low:.2f} to {high:.2f}"
                )
        out.append("")
    return "\n".join(out)


def charged(run):
    return run if run["reached"] else run | {key: max(run[key], run["limit"]) for key in ("wall", "cpu")}


def median_or_dash(values):
    return f"{statistics.median(values):.2f}" if values else "–"


def first_line(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=600)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else "unknown"


def machine(options):
    """What a reader must know to place the figures."""
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo") as lines:
            model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}",
        "gradus": first_line(options.gradus, "--version"),
        "commit": first_line("git", "rev-parse", "--short", "HEAD"),
        "python": platform.python_version(),
        "torch": first_line(sys.executable, "-c", "import torch; print(torch.__version__)"),
        "pytorch_recipe": " ".join(recipe()),
        "gradus_recipe": options.spec,
    }


def main():
    parser = argparse.ArgumentParser(
        prog="addition-race.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("seeds", type=int, nargs="?", default=15, help="seeds of each side (default 15)")
    add("--first-seed", type=int, default=1)
    add("--from", dest="source", type=Path, help="print the tables of this file, run nothing")
    add("--out", type=Path, help="where runs are recorded (default: benchmarks/target/addition-race-TIME.jsonl)")
    add("--table", choices=[*TABLES], action="append", help="default: both")
    add("--only", action="append", metavar="SIDE", help="run only these sides, such as pytorch-1")
    add("--gradus", default=str(ROOT / "gradus"), help="the gradus command")
    add("--spec", default="examples/addition.yaml", help="what Gradus runs")
    add("--target", type=int, default=10, help="digits, confirmed, that count as reached")
    add("--limit", type=float, default=600, help="seconds after which a run is ended")
    add("--draws", type=int, default=10_000, help="bootstrap draws")
    add("--bootstrap-seed", type=int, default=1)
    options = parser.parse_args()
    names = options.table or [*TABLES]
    if options.source:
        lines = [json.loads(line) for line in options.source.read_text().splitlines() if line.strip()]
    else:
        out = options.out or HERE / "target" / time.strftime("addition-race-%Y%m%d-%H%M%S.jsonl")
        out.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

        def append(row):
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")

        if not lines:
            # The version call also builds Gradus, so that no run pays for it.
            lines.append({"machine": machine(options)})
            append(lines[0])
        rows = [line for line in lines if "side" in line]
        sides = [s for s in NAMES if any(s in TABLES[name][1] for name in names)]
        race(options, [s for s in sides if not options.only or s in options.only], rows, append)
        lines = [line for line in lines if "side" not in line] + rows
        print(f"recorded in {out}", file=sys.stderr)
    rows = [line for line in lines if "side" in line]
    for key, value in next((line["machine"] for line in lines if "machine" in line), {}).items():
        print(f"* {key.replace('_', ' ')}: {value}")
    print()
    print(tables(rows, names, options.draws, options.bootstrap_seed))
    sys.exit(0 if rows and all(row["reached"] for row in rows) else 1)


if __name__ == "__main__":
    main()
