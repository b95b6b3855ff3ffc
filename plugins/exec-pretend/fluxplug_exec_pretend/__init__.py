"""The executor `pretend`: jobs take their time and nothing runs. For trying policies and for loads that no machine here could carry.

A job runs for `attributes.system.exec.test.run_duration` (seconds or a duration), else for `run-time`; `exec.test.mock_exception` (`init` or `run`)
makes it fail there. There are no processes and no output. Nothing outlives the server but what the driver has stored, and that is enough: a job
that has been stored as started ends when it would have ended.
"""

from __future__ import annotations

import asyncio
import heapq
import signal
from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.config import option
from fluxplug.exec import EXEC_LOG, Ended, Entry, Executor, Raised, Started
from fluxplug.hookspecs import hookimpl
from fluxplug.values.duration import parse_fsd
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.exec import ExecutorSite, Host, Launch, Report

_KEY = "pretend"
#: What a task's end by SIGALRM makes of a job under a shell; a cancelled job shows the signal itself.
TIMEOUT_STATUS = (128 + signal.SIGALRM) << 8
#: Jobs that end within this many seconds of each other end together, in one batch.
GRAIN = 0.002


class _Running:
    """One job: when it ends by itself, and when it must have ended (0 for never)."""

    __slots__ = ("end", "expiration")

    def __init__(self, end: float, expiration: float) -> None:
        self.end = end
        self.expiration = expiration

    def due(self) -> float:
        return min(self.end, self.expiration) if self.expiration else self.end


class Pretend(Executor):
    """Runs nothing: each job takes the time that it says, and its logs are as short as they can be."""

    name = "pretend"

    @attrs.frozen
    class Config:
        run_time: float = option(0.0, help="how long a job runs that does not say so itself", unit="seconds", min=0)
        logs: bool = option(True, help="write the execution log of each job")

    config: Config

    def __init__(self, config: Any, site: ExecutorSite) -> None:
        super().__init__(config, site)
        self._seq = site.durable.get(_KEY, 0)
        self._jobs: dict[int, _Running] = {}
        self._heap: list[tuple[float, int]] = []
        self._out: list[Report] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, hosts: Sequence[Host], running: Sequence[Launch]) -> None:
        self._loop = asyncio.get_running_loop()
        if hosts:
            self.site.ranks_up(str(IDset(host.rank for host in hosts)))
        for job in running:
            if not job.started:
                self.launch(job)
                continue
            try:
                end = job.started + self._run_time(job)
            except ValueError:  # it was refused when it was launched, and that is not stored yet
                end = job.started
            self._add(job.jobid, end, job.expiration)

    def launch(self, job: Launch) -> None:
        now = self.site.clock.now()
        jobid = job.jobid
        self._log(now, jobid, "init", {})
        test = _test(job)
        failing = test.get("mock_exception")
        try:
            run_time = self._run_time(job)
        except ValueError as error:
            failing, problem = "init", str(error)
        else:
            problem = f"mock {failing} exception generated"
        if failing == "init":
            self._say(Raised(now, jobid, "exec", 0, problem))
            self._end(now, jobid, 1 << 8)
            return
        self._log(now, jobid, "starting", {})
        self._say(Started(now, jobid))
        if failing is not None:
            self._say(Raised(now, jobid, "exec", 0, problem))
            self._end(now, jobid, 1 << 8)
        elif run_time <= 0:
            self._end(now, jobid, 0)
        else:
            self._add(jobid, now + run_time, job.expiration)

    def signal(self, jobid: int, signum: int) -> None:
        if signum > 0 and signum not in (signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG):
            self._end_running(jobid, signum)

    def stop(self, jobid: int, reason: str) -> None:
        self._end_running(jobid, TIMEOUT_STATUS if reason == "timeout" else int(signal.SIGTERM))

    def set_expiration(self, jobid: int, expiration: float) -> None:
        job = self._jobs.get(jobid)
        if job is not None:
            job.expiration = expiration
            self._schedule(job.due(), jobid)

    async def close(self, *, leave: bool) -> None:
        if not leave:
            for jobid in list(self._jobs):
                self._end_running(jobid, int(signal.SIGTERM))
        self._deliver()
        self._jobs = {}
        self._heap = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run_time(self, job: Launch) -> float:
        """Seconds. Raises ValueError for what is no duration."""
        given = _test(job).get("run_duration")
        if given is None:
            return self.config.run_time
        if isinstance(given, str):
            return parse_fsd(given)
        if not isinstance(given, (int, float)) or isinstance(given, bool) or not given >= 0:
            raise ValueError(f"exec.test.run_duration: a duration was expected, not {given!r}")
        return float(given)

    def _add(self, jobid: int, end: float, expiration: float) -> None:
        job = self._jobs[jobid] = _Running(end, expiration)
        self._schedule(job.due(), jobid)

    def _schedule(self, when: float, jobid: int) -> None:
        """Have `jobid` looked at at a time; one that is not due then is passed over."""
        if when == float("inf"):
            return
        heapq.heappush(self._heap, (when, jobid))
        if when < self._timer_at:
            self._set_timer(when)

    def _set_timer(self, when: float) -> None:
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_later(max(0.0, when - self.site.clock.now()), self._due)

    def _due(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        now = self.site.clock.now()
        heap = self._heap
        while heap and heap[0][0] <= now + GRAIN:
            when, jobid = heapq.heappop(heap)
            job = self._jobs.get(jobid)
            if job is None or job.due() != when:
                continue
            if job.end <= when:
                self._end_running(jobid, 0)
            else:
                self._say(Raised(now, jobid, "timeout", 0, "resource allocation expired"))
                self._end_running(jobid, TIMEOUT_STATUS)
        if heap:
            self._set_timer(heap[0][0])

    def _end_running(self, jobid: int, status: int) -> None:
        if self._jobs.pop(jobid, None) is not None:
            self._end(self.site.clock.now(), jobid, status)

    def _end(self, now: float, jobid: int, status: int) -> None:
        self._log(now, jobid, "complete", {"status": status})
        self._log(now, jobid, "done", {})
        self._say(Ended(now, jobid, status))

    def _log(self, now: float, jobid: int, name: str, context: dict[str, Any]) -> None:
        if self.config.logs:
            self._say(Entry(now, jobid, EXEC_LOG, name, context))

    def _say(self, report: Report) -> None:
        """Deliver with everything else of this turn of the loop."""
        if not self._out:
            assert self._loop is not None
            self._loop.call_soon(self._deliver)
        self._out.append(report)

    def _deliver(self) -> None:
        if self._out:
            out, self._out = self._out, []
            self._seq += 1
            self.site.deliver(out, _KEY, self._seq)


def _test(job: Launch) -> dict[str, Any]:
    """`attributes.system.exec.test`, empty where there is none."""
    system = (job.jobspec.get("attributes") or {}).get("system") or {}
    found = (system.get("exec") or {}).get("test") or {}
    return found if isinstance(found, dict) else {}


@hookimpl
def fluxplug_register_executors() -> list[type[Executor]]:
    return [Pretend]
