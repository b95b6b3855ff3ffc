"""What a site runs on each node after a job, before the node serves others: health checks, cleaning of scratch folders.

Each node's run is a launch of its own for the executor, under an id that no job has, so that nodes can be given back one by one. A job is over before its
housekeeping begins. What fails drains its node, with the reason; what is under way when the server dies is given up, and the nodes serve again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug import exec as ex
from fluxplug.engine import events as ev
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.instance.driver import Driver
    from fluxplug.instance.jobs import LiveJob

EXPECTED = 60.0
"""Seconds for which plans count on a node that is being looked after."""

FIRST_ID = 1 << 62
"""Ids from here on are those of runs: jobs do not come so far in a hundred years."""


@define
class _Round:
    """The nodes of one job: those still busy, and those that are ready but kept back for the others."""

    jobid: int
    until: float
    busy: set[int]
    ready: set[int] = field(factory=set)


class Housekeeping:
    """The runs under way. `command` empty: there is none to run."""

    def __init__(self, driver: Driver, command: Sequence[str], release_after: float | None) -> None:
        self._driver, self.command, self._release_after = driver, list(command), release_after
        self._next = FIRST_ID
        self._runs: dict[int, tuple[_Round, int]] = {}
        self._rounds: list[_Round] = []

    @property
    def ranks(self) -> IDset:
        """The ranks that are being looked after."""
        return IDset(rank for one in self._rounds for rank in (*one.busy, *one.ready))

    def begin(self, live: LiveJob, now: float) -> list[ex.Launch]:
        """The runs after a job, one a node."""
        assert live.document is not None
        execution = live.document["execution"]
        names = dict(zip(live.R.ranks, live.R.nodelist, strict=True))
        after = math.inf if self._release_after is None else now + self._release_after
        round_ = _Round(live.jobid, after, set(names))
        self._rounds.append(round_)
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "FLUX_JOB_USERID": str(live.record["userid"]),
            "HOUSEKEEPING_JOB_ID": str(live.jobid),
        }
        launches = []
        for part in execution["R_lite"]:
            for rank in IDset(part["rank"]):
                document = {
                    "version": 1,
                    "execution": {
                        "R_lite": [{"rank": str(rank), "children": part["children"]}],
                        "nodelist": [names[rank]],
                        "nslots": 1,
                        "starttime": now,
                        "expiration": 0.0,
                    },
                }
                self._runs[self._next] = (round_, rank)
                launches.append(ex.Launch(self._next, live.record["userid"], document, self._jobspec(environment)))
                self._next += 1
        return launches

    def _jobspec(self, environment: dict[str, str]) -> dict[str, Any]:
        slot = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
        options = {"pmi": "off", "cpu-affinity": "off"}
        system = {"duration": 0, "cwd": "/", "environment": environment, "shell": {"options": options}}
        return {
            "version": 1,
            "resources": [slot],
            "tasks": [{"command": self.command, "slot": "task", "count": {"per_slot": 1}}],
            "attributes": {"system": system},
        }

    def report(self, report: ex.Report, now: float) -> bool:
        """Take a report, if it is of a run; False if it is of something else."""
        found = self._runs.get(report.jobid)
        if found is None:
            return report.jobid >= FIRST_ID
        if type(report) is ex.Ended:
            del self._runs[report.jobid]
            round_, rank = found
            round_.busy.discard(rank)
            round_.ready.add(rank)
            if report.status:
                reason = f"housekeeping failed with status {report.status} after job {round_.jobid}"
                resources = self._driver.resources
                entries = resources.drain(IDset(rank), reason, now, update=True)
                self._driver.ranks_changed(entries, now)
            self.release(now)
        return True

    def release(self, now: float) -> None:
        """Give back the nodes that are ready and need not wait for others."""
        for round_ in list(self._rounds):
            if round_.ready and (not round_.busy or round_.until <= now):
                self._driver.handle(ev.Vacated(now, round_.jobid, str(IDset(round_.ready))))
                round_.ready.clear()
            if not round_.busy:
                self._rounds.remove(round_)

    def next_time(self) -> float:
        """When `release` could achieve something though nothing happens; infinite if never."""
        return min((one.until for one in self._rounds if one.ready and one.busy), default=math.inf)
