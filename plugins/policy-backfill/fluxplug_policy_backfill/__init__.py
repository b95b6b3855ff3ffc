"""Backfill: later jobs may use what the jobs ahead of them cannot use yet. One loop, three depths.

A. Mu'alem and D. Feitelson, "Utilization, predictability, workloads, and user runtime estimates in scheduling the IBM SP2 with
backfilling", IEEE TPDS 12(6), 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from fluxplug.config import option
from fluxplug.hookspecs import hookimpl
from fluxplug.policy import QueuePolicy, SchedulingPass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.engine.job import Job


class Backfill(QueuePolicy):
    """The loop: keep up to `depth` promises, to the first blocked jobs; whoever breaks none of them may start at once.

    `steadfast`: a promise yields to a higher priority alone, not to any job that comes to stand ahead of it.
    """

    depth = 1
    steadfast = False

    def heeds(self, pass_: SchedulingPass, job: Job) -> bool:
        return pass_.reservations < self.depth or not pass_.hopeless(job)

    def schedule(self, pass_: SchedulingPass) -> Iterator[None]:
        pass_.yield_to_overtakers(strict=self.steadfast)
        if pass_.freed:
            pass_.renew()
        for job in pass_.due:
            pass_.start(job)
            yield
        full = pass_.reservations >= self.depth
        if not full:
            for job in pass_.unreserved:
                if not pass_.start(job):
                    pass_.reserve(job)
                    full = pass_.reservations >= self.depth
                    if full:
                        break
                yield
        if full:
            for job in pass_.startable:
                pass_.start(job)
                yield


class Easy(Backfill):
    """EASY backfill: the first blocked job has a reservation; others may start if they do not delay it.

    Aggressive: utilisation is high, and only the head's start is promised.
    """

    name = "easy"


class Hybrid(Backfill):
    """Backfill with reservations for the first `reservation-depth` blocked jobs: between easy (1) and conservative (all)."""

    name = "hybrid"

    @frozen
    class Config:
        reservation_depth: int = option(64, help="blocked jobs that get a reservation", unit="jobs", min=1)
        max_reservation_depth: int = option(100_000, help="upper limit of reservation-depth", unit="jobs", min=1)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or self.Config())
        self.depth = min(self.config.reservation_depth, self.config.max_reservation_depth)


class Conservative(Backfill):
    """Conservative backfill: every blocked job has a reservation, and nobody is moved later than first promised.

    Predictable: each user knows a start at submission. Only a failed node, a job of higher priority or a longer limit moves
    a promise back; a job that ends early moves promises forward.
    """

    name = "conservative"
    steadfast = True

    @frozen
    class Config:
        max_reservation_depth: int = option(
            100_000, help="blocked jobs that get a reservation; the rest wait without", unit="jobs", min=1
        )

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or self.Config())
        self.depth = self.config.max_reservation_depth


@hookimpl
def fluxplug_register_policies() -> list[type[QueuePolicy]]:
    return [Easy, Hybrid, Conservative]
