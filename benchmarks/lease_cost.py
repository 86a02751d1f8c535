"""Tables and draws what one lease costs with more and more workers; see lease-cost.sh."""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess

JVM = ["-Xmx2g", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]


def chart(rows, path):
    """Microseconds a lease over the number of workers, which is on a logarithmic axis."""
    width, height, left, right, top, bottom = 640, 360, 70, 30, 50, 50
    most = max(row["lease_us"] for row in rows) * 1.2
    first = math.log10(min(row["workers"] for row in rows))
    last = math.log10(max(row["workers"] for row in rows))

    def x(workers):
        return left + (math.log10(workers) - first) / (last - first) * (width - left - right)

    def y(micros):
        return height - bottom - micros / most * (height - top - bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="24" font-size="15">Cost of one lease, submit and grant, in '
        'microseconds, by number of workers</text>',
        f'<path d="M{left} {top}V{height - bottom}H{width - right}" fill="none" stroke="#444"/>']
    for step in range(5):
        value = most * step / 4
        parts.append(f'<text x="{left - 8}" y="{y(value) + 4:.0f}" text-anchor="end">'
                     f'{value:.1f}</text>')
        parts.append(f'<path d="M{left} {y(value):.1f}H{width - right}" stroke="#ddd"/>')
    for workers in sorted({row["workers"] for row in rows}):
        parts.append(f'<text x="{x(workers):.0f}" y="{height - bottom + 20}" '
                     f'text-anchor="middle">{workers:,}</text>')
    sides = [(True, "#1a6fb0", "with room: every worker that asks is granted"),
             (False, "#c0562a", "without: half of the workers ask in vain")]
    for line, (room, color, label) in enumerate(sides):
        side = [row for row in rows if row["room"] == room]
        points = " ".join(f"{x(row['workers']):.1f},{y(row['lease_us']):.1f}" for row in side)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                     'stroke-width="2"/>')
        parts += [f'<circle cx="{x(row["workers"]):.1f}" cy="{y(row["lease_us"]):.1f}" r="4" '
                  f'fill="{color}"/>' for row in side]
        parts.append(f'<text x="{left + 12}" y="{top + 8 + 18 * line}" fill="{color}">'
                     f'{label}</text>')
    parts.append("</svg>")
    pathlib.Path(path).write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--chart", help="SVG to write")
    arguments = parser.parse_args()
    java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
    lines = subprocess.run(
        [java, *JVM, "io.gradus.benchmarks.load.LeaseCost",
         *map(str, arguments.workers)],
        env={**os.environ, "CLASSPATH": arguments.class_path},
        check=True, stdout=subprocess.PIPE, text=True, timeout=240).stdout.splitlines()
    runs = [json.loads(line) for line in lines]
    rows = []
    for workers in arguments.workers:
        for room in (True, False):
            same = [run for run in runs if run["workers"] == workers and run["room"] == room]
            rows.append({"workers": workers, "room": room, **{
                key: statistics.median(run[key] for run in same)
                for key in ("lease_us", "join_us", "tick_us")}})
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("| workers | room | one lease, µs | joining, µs | one look at deadlines, µs |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['workers']:,} | {'yes' if row['room'] else 'no'} | {row['lease_us']:.1f} "
              f"| {row['join_us']:.1f} | {row['tick_us']:.0f} |")
    if arguments.chart:
        chart(rows, arguments.chart)


if __name__ == "__main__":
    main()
