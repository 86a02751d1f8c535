"""Runs examples/addition.yaml with several settings of replay, and with rounds, over the same seeds.

  benchmarks/addition-settings.sh [SEEDS]         default: 5 seeds
  benchmarks/addition-settings.sh --only rounds 3

Each run is a whole process, timed from outside as in addition-race.sh; settings run one after the
other for each seed. Every run is one line of a JSON-lines file, the table is printed at the end.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from addition_race import HERE, ROOT, gradus_command, outcome_of_gradus, recorded, summarized

ADDITION = "examples/addition.yaml"
TARGET = 10

# Name, spec, and what is laid over it.
SETTINGS = {
    "as it is: max_uses 16, draws_per_sample 3": (ADDITION, {}),
    "max_uses 4": (ADDITION, {"replay.max_uses": 4}),
    "max_uses 64": (ADDITION, {"replay.max_uses": 64}),
    "max_uses without bound": (ADDITION, {"replay.max_uses": 1_000_000}),
    "draws_per_sample 2": (ADDITION, {"replay.draws_per_sample": 2}),
    "draws_per_sample 5": (ADDITION, {"replay.draws_per_sample": 5}),
    "rounds with a barrier": ("examples/addition-rounds.yaml", {}),
    "rounds without a barrier": ("examples/addition-rounds.yaml", {"rounds.barrier": "false"}),
}


def main():
    parser = argparse.ArgumentParser(
        prog="addition-settings.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("seeds", type=int, nargs="?", default=5, help="seeds of each setting (default 5)")
    add("--first-seed", type=int, default=1)
    add("--only", action="append", default=[], metavar="TEXT", help="only settings whose name contains it")
    add("--out", type=Path, help="where runs are recorded (default: benchmarks/target/addition-settings-TIME.jsonl)")
    add("--limit", type=float, default=600, help="seconds after which a run is ended")
    options = parser.parse_args()
    out = options.out or HERE / "target" / time.strftime("addition-settings-%Y%m%d-%H%M%S.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name in SETTINGS if not options.only or any(text in name for text in options.only)]
    rows = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in names:
            rows.append(run(name, seed, options))
            with out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"{name:42} seed {seed:3d}  {summarized(rows[-1])}", file=sys.stderr, flush=True)
    print("| setting | reached | wall s, median | (each seed) | CPU s, median | steps, median | sampled, median |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        of = lambda key: [row.get(key, 0) for row in rows if row["setting"] == name]
        print(
            f"| {name} | {sum(of('reached'))}/{options.seeds} | {statistics.median(of('wall')):.1f}"
            f" | {', '.join(f'{wall:.0f}' for wall in of('wall'))} | {statistics.median(of('cpu')):.1f}"
            f" | {statistics.median(of('steps')):.0f} | {statistics.median(of('sampled')):.0f} |"
        )
    print(f"recorded in {out}", file=sys.stderr)
    sys.exit(0 if all(row["reached"] for row in rows) else 1)


def run(name, seed, options):
    spec, values = SETTINGS[name]
    laid = [word for path, value in values.items() for word in ("--set", f"{path}={value}")]
    row = recorded(
        lambda run_dir: gradus_command(str(ROOT / "gradus"), spec, seed, run_dir) + laid,
        lambda run_dir, _: outcome_of_gradus(run_dir),
        1,
        TARGET,
        options.limit,
    )
    return {"setting": name, "seed": seed, **row}


if __name__ == "__main__":
    main()
