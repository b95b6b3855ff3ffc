"""One queue of the engine: its policy, its pending jobs, and the promises that come due."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug.engine.queue import PendingQueue

if TYPE_CHECKING:
    from fluxplug.engine.job import Job
    from fluxplug.engine.passes import Pass
    from fluxplug.policy import QueuePolicy


@define(eq=False)
class QueueState:
    """One queue: its policy, its pending jobs, and whether a pass could achieve anything.

    `depth` bounds how many pending jobs a pass looks at; None for all. No pass runs over a queue that is `stopped`. The engine sets `run`,
    the pass that each of the queue's passes is.
    """

    name: str
    policy: QueuePolicy
    depth: int | None = None
    pending: PendingQueue = field(init=False)
    wanted: bool = False
    dues: list[tuple[float, int, Job]] = field(factory=list)
    stopped: bool = False
    run: Pass = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pending = PendingQueue(self.name)

    def promise(self, job: Job, start: float) -> None:
        """Note a promised start; it is an instant of its own when it comes."""
        self.pending.reserve(job, start)
        heappush(self.dues, (start, job.sequence, job))

    def next_due(self) -> float:
        """The next promised start; infinite if there is none."""
        dues = self.dues
        while dues:
            start, _, job = dues[0]
            if job.reserved == start:
                return start
            heappop(dues)
        return math.inf

    def forget(self, job: Job) -> None:
        """A job has gone to another queue: what was promised to it here is not due here. Linear in the promises."""
        self.dues = [due for due in self.dues if due[2] is not job]
        heapify(self.dues)

    def pop_due(self, now: float) -> list[Job]:
        """Jobs whose promise has come; each is returned once."""
        found: list[Job] = []
        if not self.dues or self.dues[0][0] > now:
            return found
        while self.next_due() <= now:
            job = heappop(self.dues)[2]
            if not found or found[-1] is not job:  # else the same start was promised to it twice
                found.append(job)
        return found
