"""Why each pending job waits and when it will start, refreshed off the critical path: in slices, when something has changed.

What listings show is at most `interval` seconds and one round old. A round plans the whole queue on a copy of the pool; it gives the event loop back
after each slice and takes at most a tenth of the time, and a twenty-fifth while events come in, so that submissions and passes hardly notice it.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from fluxplug.clock import format_local, stopwatch
from fluxplug.engine.explain import estimates, explain_with
from fluxplug.engine.states import State
from fluxplug.instance.record import f58

if TYPE_CHECKING:
    from fluxplug.engine.explain import Explanation
    from fluxplug.instance.driver import Driver

SLICE = 0.002
IDLE, BUSY = 9, 24
"""For each second of estimating, so many for everything else; and where events have come in meanwhile."""
_NUMBERS = re.compile(
    r"\b(?P<word>job|jobs|and) (?P<id>[0-9]{6,20})\b|\b(?P<at>from|at) (?P<time>[0-9]{9,11}(?:\.[0-9]+)?)\b"
)


def readable(text: str) -> str:
    """An explanation of the engine, which knows numbers alone, with job ids and times as users know them."""

    def shown(found: re.Match[str]) -> str:
        if found["time"]:
            return f"{found['at']} {format_local(float(found['time']), '%Y-%m-%d %H:%M:%S')}"
        return f"{found['word']} {f58(int(found['id']))}"

    return _NUMBERS.sub(shown, text)


class Estimates:
    """The explanations of the pending jobs, by id, as of the last round."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._seen = (-1, -1)
        self.known: dict[int, Explanation] = {}
        self.rounds = 0

    async def run(self, interval: float) -> None:
        """Refresh for as long as the instance serves."""
        while True:
            await asyncio.sleep(max(interval, 0.01))
            engine = self._driver.engine
            state = (self._driver.ticks, len(engine.jobs))
            if state != self._seen:
                self._seen = state
                await self.refresh()

    async def refresh(self) -> None:
        """One round."""
        engine = self._driver.engine
        found: dict[int, Explanation] = {}
        positions: dict[str, int] = {}
        began = stopwatch()
        await self._driver.rested.wait()
        for jobid, start in estimates(engine):
            job = engine.jobs.get(jobid)
            if job is not None and job.state == State.SCHED and job.R is None:
                position = positions[job.queue] = positions.get(job.queue, 0) + 1
                found[jobid] = explain_with(engine, job, start, 0 if job.parked else position)
            spent = stopwatch() - began
            if spent > SLICE:
                ticks = self._driver.ticks
                await asyncio.sleep(IDLE * spent)
                if self._driver.ticks != ticks:
                    await asyncio.sleep((BUSY - IDLE) * spent)
                await self._driver.rested.wait()
                began = stopwatch()
        self.known = found
        self.rounds += 1

    def annotate(self, jobid: int, shown: dict[str, Any]) -> None:
        """Add what is known to what a listing shows of a pending job."""
        known = self.known.get(jobid)
        if known is None:
            return
        sched: dict[str, Any] = {"reason_pending": readable(known.text)}
        if known.estimate is not None:
            sched["t_estimate"] = known.estimate
        annotations = dict(shown.get("annotations") or {})
        annotations["sched"] = {**annotations.get("sched", {}), **sched}
        shown["annotations"] = annotations
