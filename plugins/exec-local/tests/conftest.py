"""An executor with agents of this machine, for scenarios that are ended with all their processes whatever happens."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from fluxplug_exec_local.cgroup import _own_group
from fluxplug_exec_local.executor import Local

from fluxplug.exec import Ended, Host, Launch
from fluxplug.testing.executors import StoringSite, launched, resource_set, task_jobspec


class Stage:
    """One state directory, and the executor that serves it at present."""

    def __init__(self, statedir: Path, ranks: int, host: str = "vm", **config) -> None:
        self.statedir = statedir
        self.hosts = [Host(rank, host) for rank in range(ranks)]
        self.config = Local.Config(**({"pretend_hosts": True} | config))
        self.site: StoringSite = None
        self.executor: Local = None

    async def open(self, running=()):
        durable = self.site.durable if self.site else None
        before = self.site.reports if self.site else []
        self.site = StoringSite(self.statedir, durable)
        self.site.reports += before
        self.executor = self.site.executor = Local(self.config, self.site)
        await self.executor.open(self.hosts, running)

    async def restart(self, *running):
        """The server ends, and a new one finds the agents."""
        await self.executor.close(leave=True)
        await self.open(running)

    def launch(self, jobid, *command, ranks="0", cores="0", gpus="", nslots=1, expiration=0.0, **system):
        resources = resource_set(ranks, cores, gpus=gpus, nslots=nslots)
        return launched(
            self.executor, Launch(jobid, os.getuid(), resources, task_jobspec(*command, **system), expiration)
        )

    async def job(self, *command, **keys):
        """Run one job to its end; its id."""
        self.jobid = getattr(self, "jobid", 100) + 1
        self.launch(self.jobid, *command, **keys)
        await self.site.ended(self.jobid)
        return self.jobid

    def waiting_bytes(self):
        """How much is delivered and not committed."""
        return sum(len(str(reports)) for reports, _, _ in self.site._waiting)

    def waiting_ends(self):
        return [report.jobid for reports, _, _ in self.site._waiting for report in reports if isinstance(report, Ended)]

    def agent_pid(self, rank=0):
        """The process that serves a rank."""
        return process("fluxplug_exec_local.agent", str(self.statedir), str(rank))


def process(*wanted):
    """The Python process of a module and its first arguments."""
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with Path(f"/proc/{name}/cmdline").open() as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            if tuple(words[1 : 2 + len(wanted)]) == ("-m", *wanted):
                return int(name)
    raise AssertionError(f"no process {wanted}")


@pytest.fixture
def stage(tmp_path):
    """`stage(scenario, ranks=1, **config)` runs `await scenario(stage)`."""

    def play(scenario, ranks=1, **config):
        async def main():
            made = Stage(tmp_path / "state", ranks, **config)
            made.statedir.mkdir()
            await made.open()
            try:
                return await scenario(made)
            finally:
                await made.executor.close(leave=False)

        return asyncio.run(main())

    return play


@pytest.fixture
def control_group():
    """Makes a folder for control groups, in the group of the tests or one above it, that `suits(path)`; the test skips where there is none."""
    made = []

    def make(suits, otherwise):
        above = Path(_own_group() or "/nonexistent")
        while (above / "cgroup.procs").exists():
            path = above / f"fluxplug-test-{os.getpid()}"
            with suppress(OSError):
                path.mkdir()
                if suits(path):
                    made.append(path)
                    return path
                path.rmdir()
            above = above.parent
        pytest.skip(otherwise)

    yield make
    for path in made:
        for folder, _, _ in os.walk(path, topdown=False):
            Path(folder).rmdir()
