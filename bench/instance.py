"""A live instance: real processes, pretended ones, submissions, listings. Each figure beside a peer or bound measured in the same run.

Peer of processes: `xargs -P2` running the same command as often. Bound of durable submissions: one fsync of the disk that the store lies on,
and of a slow one, which is made of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fluxplug.client import Client
from fluxplug.clock import stopwatch

FLUXPLUG = [sys.executable, "-m", "fluxplug"]


def jobspec(command: list[str], **system: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": command, "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, "environment": dict(os.environ), "cwd": "/", **system}},
    }


class Running:
    """An instance for as long as a block lasts."""

    def __init__(self, *options: str, statedir: str | None = None, preload: str = "") -> None:
        words = [*FLUXPLUG, "start", *options, *(["--statedir", statedir] if statedir else [])]
        env = {**os.environ, "LD_PRELOAD": preload} if preload else None
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()

    def __enter__(self) -> Client:
        return Client(self.uri)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def run_all(client: Any, jobs: list[dict[str, Any]]) -> float:
    """Submit many at once and wait until the last has ended; jobs a second from the first byte to the last event."""
    start = stopwatch()
    ids = [one["id"] for one in client.post("/v1/jobs", {"jobs": [{"jobspec": spec} for spec in jobs]})["jobs"]]
    left = set(ids)
    for line in client.stream("/v1/events", since=0, follow="true", documents="false"):
        if "event" in line and line["event"]["name"] == "clean":
            left.discard(line["id"])
            if not left:
                break
    return len(jobs) / (stopwatch() - start)


def fsync_seconds(folder: str) -> float:
    """One fsync after a small append: the median of 50."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        times = []
        for _ in range(50):
            file.write(b"x" * 4096)
            start = stopwatch()
            os.fsync(file.fileno())
            times.append(stopwatch() - start)
    return sorted(times)[25]


SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int later(const char *name, int fd)
{
    struct timespec left = {0, 5000000};
    nanosleep(&left, 0);
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fsync(int fd) { return later("fsync", fd); }
int fdatasync(int fd) { return later("fdatasync", fd); }
"""
"""A library that makes each fsync take 5 ms longer, as on a disk without a cache that survives a loss of power."""


def slow_disk(folder: str) -> str:
    """Build it; its path, or the empty text where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return ""
    Path(folder, "slow.c").write_text(SLOW_DISK, encoding="ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", f"{folder}/slow.so", f"{folder}/slow.c", "-ldl"], check=True)
    return f"{folder}/slow.so"


def fsync_seconds_under(preload: str, folder: str) -> float:
    """`fsync_seconds` as a process with that library finds it."""
    code = "import sys, instance; print(instance.fsync_seconds(sys.argv[1]))"
    env = {**os.environ, "LD_PRELOAD": preload}
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=Path(__file__).parent, env=env, stdout=subprocess.PIPE, check=True)  # fmt: skip
    return float(done.stdout)


def submit_each(client: Any, spec: dict[str, Any], number: int) -> float:
    """Seconds a submission, one after another."""
    start = stopwatch()
    for _ in range(number):
        client.post("/v1/jobs", {"jobspec": spec, "urgency": 16 if spec["attributes"]["system"]["duration"] else 0})
    return (stopwatch() - start) / number


def xargs(number: int) -> float:
    """The peer: processes a second, two at a time."""
    words = "\n".join(["x"] * number)
    start = stopwatch()
    subprocess.run(["xargs", "-n1", "-P2", "/bin/true"], input=words, text=True, check=False)
    return number / (stopwatch() - start)


def seconds_to_list(uri: str) -> float:
    """One run of `fluxplug jobs` with 10,000 rows."""
    start = stopwatch()
    words = [*FLUXPLUG, "jobs", "-c", "10000"]
    subprocess.run(words, env={**os.environ, "FLUXPLUG_URI": uri}, stdout=subprocess.DEVNULL, check=True)
    return stopwatch() - start


def measure(*, quick: bool = False) -> dict[str, Any]:
    """The rows of the table: what, value, unit, what to reach, and what was measured beside it."""
    rows: list[dict[str, Any]] = []

    def row(what: str, value: float, unit: str, reach: str, **beside: Any) -> None:
        rows.append({"what": what, "value": round(value, 4), "unit": unit, "reach": reach, "beside": beside})

    spec = jobspec(["/bin/true"])
    number = 200 if quick else 3000
    with Running("--nodes", "1", "--cores", "16") as client:
        run_all(client, [spec] * 50)
        peer, rate = xargs(number), run_all(client, [spec] * number)
        row("real processes (true)", rate, "jobs/s", "800", xargs=round(peer), ratio=round(rate / peer, 2))
        row("one submit after another, process", 1000 * submit_each(client, spec, 200), "ms", "1")
        start = stopwatch()
        client.post("/v1/jobs", {"jobs": [{"jobspec": spec, "urgency": 0}] * 1000})
        row("1,000 jobs submitted at once", stopwatch() - start, "s", "0.2")
    number = 1000 if quick else 20_000
    with Running("--nodes", "1000", "--cores", "48", "--executor", "pretend") as client:
        run_all(client, [spec] * 100)
        row("pretended, 1,000 nodes of 48 cores", run_all(client, [spec] * number), "jobs/s", "3000")
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        with Running("--nodes", "1", statedir=f"{folder}/state") as client:
            before = fsync_seconds(folder)
            took = submit_each(client, spec, 50 if quick else 200)
            disk = (before + fsync_seconds(folder)) / 2
        beside = {"fsync_ms": round(1000 * disk, 3), "ratio": round(took / disk, 2)}
        row("one submit after another, power", 1000 * took, "ms", "1.5 fsync", **beside)
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        preload = slow_disk(folder)
        if preload:
            disk = fsync_seconds_under(preload, folder)
            with Running("--nodes", "1", statedir=f"{folder}/state", preload=preload) as client:
                took = submit_each(client, spec, 20 if quick else 200)
            beside = {"fsync_ms": round(1000 * disk, 3), "ratio": round(took / disk, 2)}
            row("the same, each fsync 5 ms longer", 1000 * took, "ms", "1.5 fsync", **beside)
    number = 2_000 if quick else 100_000
    machine = ("--nodes", "10", "--cores", "4", "--executor", "pretend")
    with Running(*machine) as other, Running(*machine) as client:
        waiting = jobspec(["true"], duration=3600, exec={"test": {"run_duration": "1h"}})
        for _ in range(number // 1000):
            client.post("/v1/jobs", {"jobs": [{"jobspec": waiting}] * 1000})
        # By turns, as the speed of a machine changes from minute to minute.
        turns = [
            (submit_each(other, waiting, 200), submit_each(client, waiting, 200)) for _ in range(2 if quick else 12)
        ]
        empty, full = map(min, zip(*turns, strict=True))
        beside = {"empty_ms": round(1000 * empty, 3), "full_ms": round(1000 * full, 3)}
        row(f"submit rate while {number:,} wait, of that when empty", empty / full, "", "0.9", **beside)
        row("fluxplug jobs of 10,000", min(seconds_to_list(client.uri) for _ in range(3)), "s", "0.5")
    return {"rows": rows}


def show(results: dict[str, Any]) -> None:
    print(f"{'':52}{'measured':>12} {'':8}{'reach':>12}")
    for row in results["rows"]:
        beside = "  ".join(f"{key} {value}" for key, value in row["beside"].items())
        print(f"{row['what']:52}{row['value']:>12} {row['unit']:8}{row['reach']:>12}   {beside}")
