"""Races the chunk server against other static servers; see weights-race.sh.

A side is a server and what reads from it: the workers of Gradus, or as many curl processes, of
which one kind digests what it got, as workers do. All sides run in turn, repetition by
repetition. Processor time and memory are those of whole processes, from the kernel.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

JVM = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
NAME = "v00000001-s00000001-e1"
FILE = "bytes.bin"
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """User and system time of a live process, threads included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family(pid):
    """A process and its children: nginx serves from a worker."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [int(child) for child in children]


def peak_mebibytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Server:
    """A static server below the store; `base` is the URI of the checkpoint."""

    def __init__(self, process, base):
        self.process, self.base = process, base
        self.heap = None
        self.processor_before = self.processor()

    def processor(self):
        return sum(processor_seconds(pid) for pid in family(self.process.pid))

    def peak(self):
        return sum(peak_mebibytes(pid) for pid in family(self.process.pid))

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
            self.heap = int(self.process.stdout.readline()) / 2**20
        else:
            self.process.terminate()
        self.process.wait(timeout=30)


def gradus(arguments, store):
    process = subprocess.Popen(
        [arguments.java, "-Xmx64m", *JVM, "-cp", arguments.class_path,
         "io.gradus.benchmarks.WeightsServer", str(store), str(arguments.mebibytes)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    base = process.stdout.readline().strip()
    # Digests belong to the publication and are made once, whoever asks first.
    urllib.request.urlopen(f"{base}/{FILE}/chunks").read()
    return Server(process, base)


def nginx(arguments, store):
    port = free_port()
    home = pathlib.Path(tempfile.mkdtemp(prefix="weights-race-"))
    conf = home / "nginx.conf"
    conf.write_text(f"""
        daemon off; worker_processes 2; pid {home}/pid; error_log {home}/error.log;
        user root;
        events {{ worker_connections 256; }}
        http {{
          access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;
          client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
          uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
          server {{ listen 127.0.0.1:{port}; root {store}; }}
        }}""")
    # nginx reads this variable itself.
    environment = {key: value for key, value in os.environ.items() if key != "NGINX"}
    process = subprocess.Popen(
        [arguments.nginx, "-c", str(conf), "-p", str(home)],
        env=environment)
    await_port(port, process)
    return Server(process, f"http://127.0.0.1:{port}/{NAME}")


def python(_, store):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1",
         "--directory", str(store)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_port(port, process)
    return Server(process, f"http://127.0.0.1:{port}/{NAME}")


def jwebserver(arguments, store):
    port = free_port()
    process = subprocess.Popen(
        [arguments.java, "-m", "jdk.httpserver", "-p", str(port), "-b", "127.0.0.1",
         "-d", str(store), "-o", "none"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_port(port, process)
    return Server(process, f"http://127.0.0.1:{port}/{NAME}")


def rusage(process):
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def workers(arguments, server, store, caches):
    process = subprocess.Popen(
        [arguments.java, "-Xmx256m", *JVM, "-cp", arguments.class_path,
         "io.gradus.benchmarks.WeightsWorkers", str(store), str(caches), server.base,
         str(arguments.workers)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = process.stdout.read().split()
    processor, peak = rusage(process)
    return {"client_cpu": processor, "client_rss": peak, "client_heap": int(lines[-1]) / 2**20,
            "inner_seconds": float(lines[-2])}


def curls(arguments, server, caches, digest):
    script = 'curl -sf -o "$2" "$1"'
    if digest:
        script += ' && test "$(openssl dgst -sha256 -r "$2" | cut -d" " -f1)" = "$3"'
    processes = []
    for worker in range(arguments.workers):
        target = caches / f"curl-{worker}"
        processes.append(subprocess.Popen(
            ["sh", "-c", script, "curl", f"{server.base}/{FILE}", str(target), arguments.sha256]))
    usages = [rusage(process) for process in processes]
    return {"client_cpu": sum(usage[0] for usage in usages),
            "client_rss": sum(usage[1] for usage in usages)}


def play(arguments, side, store):
    name, make, client = side
    caches = pathlib.Path(tempfile.mkdtemp(prefix="caches-", dir=arguments.directory))
    server = make(arguments, store)
    try:
        begun = time.monotonic()
        if client == "workers":
            result = workers(arguments, server, store, caches)
        else:
            result = curls(arguments, server, caches, client == "digest")
        result["seconds"] = time.monotonic() - begun
        result["server_cpu"] = server.processor() - server.processor_before
        result["server_rss"] = server.peak()
    finally:
        server.stop()
        shutil.rmtree(caches)
    if server.heap is not None:
        result["server_heap"] = server.heap
    result["side"] = name
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--class-path", required=True)
    parser.add_argument("--directory", default="/dev/shm")
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    arguments.java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
    arguments.nginx = os.environ.get("NGINX") or shutil.which("nginx")
    sides = [
        ("chunk server, workers", gradus, "workers"),
        ("chunk server, curl", gradus, "plain"),
        ("Python http.server, curl", python, "plain"),
        ("jwebserver, curl", jwebserver, "plain"),
    ]
    if arguments.nginx:
        sides.insert(2, ("nginx, curl", nginx, "plain"))
        sides.insert(3, ("nginx, curl and openssl dgst", nginx, "digest"))
    store = pathlib.Path(tempfile.mkdtemp(prefix="store-", dir=arguments.directory))
    results = {name: [] for name, _, _ in sides}
    try:
        prepared = gradus(arguments, store)
        prepared.stop()
        digest = hashlib.sha256()
        with open(store / NAME / FILE, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        arguments.sha256 = digest.hexdigest()
        for repetition in range(arguments.repetitions):
            order = sides[repetition % len(sides):] + sides[:repetition % len(sides)]
            for side in order:
                results[side[0]].append(play(arguments, side, store))
    finally:
        shutil.rmtree(store)
    print("| server, readers | s | server CPU s | readers' CPU s | server RSS MiB (heap) "
          "| readers' RSS MiB, together (heap) |")
    print("|---|---|---|---|---|---|")
    for name, _, _ in sides:
        def median(key):
            values = [run[key] for run in results[name] if key in run]
            return statistics.median(values) if values else None

        def memory(rss, heap):
            peak = median(heap)
            return f"{median(rss):.0f}" + ("" if peak is None else f" ({peak:.0f})")

        spread = sorted(run["seconds"] for run in results[name])
        print(f"| {name} | {median('seconds'):.1f} ({spread[0]:.1f} to {spread[-1]:.1f}) "
              f"| {median('server_cpu'):.1f} | {median('client_cpu'):.1f} "
              f"| {memory('server_rss', 'server_heap')} "
              f"| {memory('client_rss', 'client_heap')} |")


if __name__ == "__main__":
    main()
