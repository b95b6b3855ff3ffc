"""A live instance: real processes, pretended ones, submissions, listings. Each figure beside a peer or bound measured in the same run.

Peer of processes: `xargs -P2` running the same command as often. Bound of durable submissions: one fsync of the disk that the store lies on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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

    def __init__(self, *options: str, statedir: str | None = None) -> None:
        words = [*FLUXPLUG, "start", *options, *(["--statedir", statedir] if statedir else [])]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()

    def __enter__(self) -> Any:
        from fluxplug.client import Client

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


def submit_each(client: Any, spec: dict[str, Any], number: int) -> float:
    """Seconds a submission, one after another."""
    start = stopwatch()
    for _ in range(number):
        client.post("/v1/jobs", {"jobspec": spec, "urgency": 0})
    return (stopwatch() - start) / number


def main(*, quick: bool = False) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def row(what: str, value: float, unit: str, aim: str, **more: Any) -> None:
        rows.append({"what": what, "value": round(value, 4), "unit": unit, "aim": aim, **more})
        print(json.dumps(rows[-1]), flush=True)

    number = 400 if quick else 2000
    start = stopwatch()
    subprocess.run(f"seq {number} | xargs -n1 -P2 /bin/true", shell=True, check=False)
    bare = number / (stopwatch() - start)
    with Running("--nodes", "1", "--cores", "16") as client:
        run_all(client, [jobspec(["/bin/true"])] * 50)
        rate = run_all(client, [jobspec(["/bin/true"])] * number)
        row("real processes (true)", rate, "jobs/s", ">= 800", xargs=round(bare), ratio=round(rate / bare, 2))
        spec = jobspec(["/bin/true"])
        row("one submit after another, process", 1000 * submit_each(client, spec, 200), "ms", "<= 1")
        start = stopwatch()
        client.post("/v1/jobs", {"jobs": [{"jobspec": spec, "urgency": 0}] * 1000})
        row("1,000 jobs submitted at once", stopwatch() - start, "s", "<= 0.2")
    number = 1000 if quick else 10_000
    with Running("--nodes", "1000", "--cores", "48", "--executor", "pretend") as client:
        run_all(client, [jobspec(["true"])] * 100)
        row(
            "pretended execution, 1,000 nodes of 48 cores",
            run_all(client, [jobspec(["true"])] * number),
            "jobs/s",
            ">= 3000",
        )
    with (
        tempfile.TemporaryDirectory(dir=Path.home()) as folder,
        Running("--nodes", "1", statedir=f"{folder}/state") as client,
    ):
        disk = fsync_seconds(folder)
        took = submit_each(client, jobspec(["/bin/true"]), 100)
        row(
            "one submit after another, power",
            1000 * took,
            "ms",
            "<= 1.5 fsync",
            fsync_ms=round(1000 * disk, 3),
            ratio=round(took / disk, 2),
        )
    number = 5_000 if quick else 100_000
    with Running("--nodes", "10", "--cores", "4", "--executor", "pretend") as client:
        spec = jobspec(["true"], duration=3600, exec={"test": {"run_duration": "1h"}})
        empty = min(submit_each(client, spec, 200) for _ in range(3))
        for _ in range(number // 1000):
            client.post("/v1/jobs", {"jobs": [{"jobspec": spec}] * 1000})

        def one() -> float:
            start = stopwatch()
            for _ in range(200):
                client.post("/v1/jobs", {"jobspec": spec})
            return (stopwatch() - start) / 200

        full = min(one() for _ in range(3))
        row(
            f"submit rate with {number} pending, of that when empty",
            empty / full,
            "",
            ">= 0.9",
            ms=round(1000 * full, 3),
        )
        environment = {**os.environ, "FLUXPLUG_URI": client.uri}
        times = []
        for _ in range(3):
            start = stopwatch()
            subprocess.run([*FLUXPLUG, "jobs", "-c", "10000"], env=environment, stdout=subprocess.DEVNULL, check=False)
            times.append(stopwatch() - start)
        row("fluxplug jobs of 10,000", min(times), "s", "<= 0.5")
    return rows


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
