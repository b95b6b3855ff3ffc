"""First come, first served: jobs start in queue order, and nobody overtakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.hookspecs import hookimpl
from fluxplug.policy import QueuePolicy, SchedulingPass

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fcfs(QueuePolicy):
    """Start from the head of the queue while it fits; stop at the first job that does not.

    Nobody is ever overtaken, except a job that waits for a node that is down. Simple and fair, and wasteful on machines that run
    parallel jobs: what the head leaves free stays idle.
    """

    name = "fcfs"
    overtakes = False

    def schedule(self, pass_: SchedulingPass) -> Iterator[None]:
        for job in pass_.pending:
            if not pass_.start(job) and not job.parked:
                return
            yield


@hookimpl
def fluxplug_register_policies() -> list[type[QueuePolicy]]:
    return [Fcfs]
