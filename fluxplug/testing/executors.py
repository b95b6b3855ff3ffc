"""For the tests of executors: a driver's place that stores what is delivered and lets a test wait for it, and documents of small jobs."""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from fluxplug.clock import SystemClock
from fluxplug.exec import EXEC_LOG, OUTPUT_LOG, Ended, Entry, Launch, Raised, Report, Started
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fluxplug.exec import Executor

_Report = TypeVar("_Report", Started, Entry, Raised, Ended)

#: Seconds after which a test that waits for a report has failed.
LIMIT = 30.0


class StoringSite:
    """An `ExecutorSite`. `reports` and `durable` are what a store holds; with `commit` False nothing gets there until `commit_all`.

    A restart is a new site with the old one's `durable`; `executor` is to be set, so that it hears `committed`.
    """

    def __init__(self, statedir: Path, durable: dict[str, int] | None = None) -> None:
        self.clock = SystemClock()
        self.statedir = statedir
        self.uri = f"local://{statedir}/local-0"
        self.identity = blake2b(str(statedir).encode(), digest_size=8).hexdigest()
        self.durable: dict[str, int] = {} if durable is None else durable
        self.reports: list[Report] = []
        self.up: set[int] = set()
        self.lines: list[tuple[str, str]] = []
        self.commit = True
        self.executor: Executor | None = None
        self.batches = 0
        self._waiting: list[tuple[list[Report], str, int]] = []
        self._news = asyncio.Event()

    # ExecutorSite

    def deliver(self, reports: Sequence[Report], key: str, seq: int) -> None:
        assert seq > self.durable.get(key, 0), f"batch {seq} of {key} again"
        self.batches += 1
        if self.commit and not self._waiting:
            asyncio.get_running_loop().call_soon(self.commit_all)
        self._waiting.append((list(reports), key, seq))
        self._news.set()

    def ranks_up(self, ranks: str) -> None:
        self.up |= set(IDset(ranks))
        self._news.set()

    def ranks_down(self, ranks: str, reason: str) -> None:
        self.up -= set(IDset(ranks))
        self.log("info", f"ranks {ranks} down: {reason}")
        self._news.set()

    def log(self, level: str, message: str) -> None:
        self.lines.append((level, message))

    # For tests.

    def commit_all(self) -> None:
        """Store what has been delivered, and say so."""
        waiting, self._waiting = self._waiting, []
        for reports, key, seq in waiting:
            self.reports += reports
            self.durable[key] = seq
        for _, key, seq in waiting:
            if self.executor is not None:
                self.executor.committed(key, seq)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for reports, or ranks, until something holds."""

        async def wait() -> None:
            while not condition():
                self._news.clear()
                await self._news.wait()

        await asyncio.wait_for(wait(), LIMIT)

    async def started(self, *jobids: int) -> None:
        """Wait until all these jobs run."""
        await self.until(lambda: all(self.of(jobid, Started) for jobid in jobids))

    async def ended(self, *jobids: int) -> None:
        """Wait until all these jobs have ended."""
        waited = set(jobids)
        await self.until(lambda: waited <= {r.jobid for r in self.reports if type(r) is Ended})

    def of(self, jobid: int, kind: type[_Report]) -> list[_Report]:
        """The reports of one kind about a job."""
        return [report for report in self.reports if isinstance(report, kind) and report.jobid == jobid]

    def status(self, jobid: int) -> int:
        """The wait status of a job that has ended."""
        (end,) = self.of(jobid, Ended)
        return end.status

    def raised(self, jobid: int) -> list[tuple[str, str]]:
        """Type and note of a job's exceptions."""
        return [(report.type, report.note) for report in self.of(jobid, Raised)]

    def log_of(self, jobid: int, log: str) -> list[tuple[str, dict[str, Any]]]:
        """The entries (name, context) of a log of a job."""
        return [(entry.name, entry.context) for entry in self.of(jobid, Entry) if entry.log == log]

    def exec_names(self, jobid: int) -> list[str]:
        """The names of a job's execution log."""
        return [name for name, _ in self.log_of(jobid, EXEC_LOG)]

    def output(self, jobid: int, stream: str = "stdout", rank: int | None = None) -> bytes:
        """What a job, or one of its tasks, has written."""
        found = b""
        for name, context in self.log_of(jobid, OUTPUT_LOG):
            if name == "data" and context["stream"] == stream and rank in (None, int(context["rank"])):
                data = context.get("data", "")
                found += b64decode(data) if context.get("encoding") == "base64" else data.encode()
        return found


_FAKE_SSH = """#!/bin/sh
host=$1; shift
cd "$(dirname "$0")/$host" || exit 1
if [ -e down ]; then
    echo "ssh: connect to host $host port 22: No route to host" >&2
    exit 255
fi
echo "Welcome to $host"
exec sh -c "$*"
"""


def fake_ssh(base: Path, hosts: Sequence[str]) -> Path:
    """A program in `base` that does with a host's name and its words what ssh does, for a folder `base`/HOST each: there a shell gets them joined.

    A file `down` in a host's folder makes a host that cannot be reached.
    """
    for host in hosts:
        (base / host).mkdir()
    path = base / "ssh"
    path.write_text(_FAKE_SSH, encoding="utf-8")
    path.chmod(0o755)
    return path


def resource_set(
    ranks: str = "0", cores: str = "0", *, gpus: str = "", nslots: int = 1, host: str = "vm"
) -> dict[str, Any]:
    """R (RFC 20) of some ranks that are alike; all have the same host name."""
    children = {"core": cores} | ({"gpu": gpus} if gpus else {})
    return {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": ranks, "children": children}],
            "starttime": 0.0,
            "expiration": 0.0,
            "nslots": nslots,
            "nodelist": [",".join([host] * len(IDset(ranks)))],
        },
    }


def task_jobspec(*command: str, **system: Any) -> dict[str, Any]:
    """A jobspec of one command in slots of one core.

    `options` among the keys of `attributes.system` is short for `shell.options`, `count` is the task count (`{"per_slot": 1}`).
    """
    count = system.pop("count", {"per_slot": 1})
    options = system.pop("options", None)
    attributes = {"duration": 0, "environment": {"PATH": os.environ["PATH"]}} | system
    if options:
        attributes["shell"] = {"options": options}
    slot = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    return {
        "version": 1,
        "resources": [slot],
        "tasks": [{"command": list(command), "slot": "task", "count": count}],
        "attributes": {"system": attributes},
    }


def launched(executor: Executor, job: Launch) -> Launch:
    """Launch a job as the driver does; what it would have stored, for a restart."""
    origin = executor.origin(job)
    executor.launch(job)
    return Launch(job.jobid, job.userid, job.R, job.jobspec, job.expiration, job.started, origin)
