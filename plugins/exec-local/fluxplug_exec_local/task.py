"""A task: what the agent keeps of one process of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxplug_exec_local.job import Job
    from fluxplug_exec_local.pmi import PmiTask
    from fluxplug_exec_local.stdin import Stdin
    from fluxplug_exec_local.streams import Stream
    from fluxplug_exec_local.terminal import Terminal


class Task:
    """One process: `rank` in the job, `localid` on the host; `group` is its process group, `status` its wait status once it has ended."""

    __slots__ = ("group", "job", "localid", "pid", "pmi", "rank", "status", "stdin", "streams", "terminal")

    def __init__(self, job: Job, rank: int, localid: int) -> None:
        self.job = job
        self.rank = rank
        self.localid = localid
        self.pid = 0
        self.group = 0
        self.status: int | None = None
        self.stdin: Stdin | None = None
        self.pmi: PmiTask | None = None
        self.streams: list[Stream] = []
        self.terminal: Terminal | None = None
