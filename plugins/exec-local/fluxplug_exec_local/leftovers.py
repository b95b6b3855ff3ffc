"""Processes that outlive their job: found among the agent's adopted children, and ended.

A task's orphans become children of the agent (it is a subreaper). What is in a session, or says in its environment that it belongs to a job,
that still runs here is left alone. Looked for once a second at most, and only after jobs have ended.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug_exec_local.agent import Agent
    from fluxplug_exec_local.job import Job


class Leftovers:
    """Of one agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.needed = False

    def sweep(self, *, everything: bool = False) -> None:
        """End adopted processes of jobs that have ended, or of all jobs."""
        if not (self.needed or everything):
            return
        self.needed = False
        if not self._any_child():
            return
        me = os.getpid()
        tasks = self.agent.tasks
        sessions = (
            set() if everything else {t.pid for job in self.agent.jobs.values() for t in job.tasks if not job.ended}
        )
        for pid, parent, session in processes():
            if parent != me or pid in tasks or session in sessions:
                continue
            if everything or not self._belongs(pid):
                _kill(pid)
                self.needed = True  # its children come to the agent in turn

    def end_job(self, job: Job) -> None:
        """Kill every process in the sessions of a job, and those that say that they belong to it."""
        sessions = {task.pid for task in job.tasks}
        marks = {f"FLUX_JOB_ID={job.f58}".encode(), f"FLUX_URI={self.agent.uri}".encode()}
        me = os.getpid()
        for pid, _, session in processes():
            if session in sessions or (pid != me and marks <= set(environment(pid))):
                _kill(pid)

    def _any_child(self) -> bool:
        """Whether there are children besides the running tasks, as far as that is known without looking at all processes."""
        if self.agent.tasks:
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _belongs(self, pid: int) -> bool:
        found = environment(pid)
        return any(not job.ended and f"FLUX_JOB_ID={job.f58}".encode() in found for job in self.agent.jobs.values())


def end_orphans_of(prefix: str) -> None:
    """Kill the tasks that an agent left behind when it died: those with their job's folder in the environment under `prefix`."""
    mark = f"FLUX_JOB_TMPDIR={prefix}".encode()
    for pid, _, _ in processes():
        if any(entry.startswith(mark) for entry in environment(pid)):
            _kill(pid)


def processes() -> Iterator[tuple[int, int, int]]:
    """(pid, parent, session) of every process that can be seen."""
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # The command, in brackets, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                yield int(name), int(fields[1]), int(fields[3])


def environment(pid: int) -> list[bytes]:
    """The entries `NAME=value` of a process as it was started; none where it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
