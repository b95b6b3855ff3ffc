"""The schedules equal those of a slow reference: policies.md section 1 once more, amounts only, everything rebuilt at each instant.

Random traces on one amount of cores go through the simulator with the real engine and policies, on four pools for which amounts are all that
matters, and through `Reference`, a page with no plan, no queue and no cleverness. Every job starts at the same time in both.
"""

from __future__ import annotations

import math
import os

import pytest
from attrs import define, field
from fluxplug_policy_backfill import Conservative, Easy, Hybrid
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.clock import ManualClock
from fluxplug.engine.engine import Engine
from fluxplug.resource import ResourceCount, ResourceRequest
from fluxplug.sim.outages import Cancel, ChangePriority
from fluxplug.sim.schedule import Schedule
from fluxplug.sim.simulator import Simulator
from fluxplug.sim.trace import TraceJob
from fluxplug.testing.flat import FlatPool, FlatRequest
from fluxplug.values.idset import IDset

CORES = 6

SCALE = 10 if os.environ.get("FLUXPLUG_SLOW") else 1


@define(eq=False)
class Job:
    """A job of the reference. `estimate` is infinite without a limit; `promise` and `start` are None until there is one."""

    id: int
    submit: float
    width: int
    estimate: float
    run: float
    priority: int = 16
    promise: float | None = None
    start: float | None = None

    @property
    def place(self):
        return (-self.priority, self.submit, self.id)


@define
class Reference:
    """One run. `depth` is the number of promises: 0 fcfs, 1 easy, k hybrid, infinite conservative."""

    depth: float
    jobs: list[Job]
    outside: list[tuple[float, str, int, int]] = field(factory=list)
    waiting: list[Job] = field(factory=list)
    running: list[Job] = field(factory=list)

    def free(self, time, now, *, without=None):
        """How much is free at a time, when jobs end as planned and promises are kept."""
        held = sum(job.width for job in self.running if now <= time < job.start + job.estimate)
        promised = [job for job in self.waiting if job.promise is not None and job is not without]
        return CORES - held - sum(job.width for job in promised if job.promise <= time < job.promise + job.estimate)

    def fits(self, job, start, now):
        """Whether a job could run from `start` on: the free amount falls only where promises begin."""
        begins = [other.promise for other in self.waiting if other.promise is not None and other is not job]
        times = [start, *(time for time in begins if start < time < start + job.estimate)]
        return all(self.free(time, now, without=job) >= job.width for time in times)

    def earliest(self, job, now):
        """The first start for a job, all promises but its own at their places; None if there is none in sight."""
        ends = [other.start + other.estimate for other in self.running]
        ends += [other.promise + other.estimate for other in self.waiting if other.promise is not None]
        times = sorted({now, *(time for time in ends if now < time < math.inf)})
        return next((time for time in times if self.fits(job, time, now)), None)

    def begin(self, job, now):
        job.start, job.promise = now, None
        self.waiting.remove(job)
        self.running.append(job)

    def run(self):
        """Starts by job id."""
        times = {job.submit for job in self.jobs} | {event[0] for event in self.outside}
        while times:
            now = min(times)
            times.discard(now)
            self.instant(now)
            times |= {job.start + job.run for job in self.running}
            times |= {job.promise for job in self.waiting if job.promise is not None}
        return {job.id: job.start for job in self.jobs if job.start is not None}

    def instant(self, now):
        ended = [job for job in self.running if job.start + job.run == now]
        self.running = [job for job in self.running if job not in ended]
        freed = any(now < job.start + job.estimate for job in ended)
        for time, what, number, value in self.outside:
            if time == now:
                freed |= self.happens(what, number, value, now)
        self.waiting += [job for job in self.jobs if job.submit == now]
        self.waiting.sort(key=lambda job: job.place)
        self.schedule(now, freed=freed)

    def happens(self, what, number, value, now):
        """A cancel or a change of priority; whether it gives up something that others may have."""
        for job in [job for job in self.running if job.id == number and what == "cancel"]:
            self.running.remove(job)
            return now < job.start + job.estimate
        for job in [job for job in self.waiting if job.id == number]:
            if what == "cancel":
                self.waiting.remove(job)
                return job.promise is not None
            before, job.priority = job.priority, value
            if value != before:
                lost, job.promise = job.promise is not None, None
                return lost and value < before
        return False

    def schedule(self, now, *, freed):
        if self.depth == 0:
            while self.waiting and self.fits(self.waiting[0], now, now):
                self.begin(self.waiting[0], now)
            return
        self.make_way()
        for job in list(self.waiting):  # renewal: one round, in the order of the queue
            if freed and job.promise is not None:
                job.promise = min(job.promise, self.earliest(job, now))
        for job in list(self.waiting):
            if job.promise == now:
                self.begin(job, now)
        for job in list(self.waiting):
            if job.promise is None and self.fits(job, now, now):
                self.begin(job, now)
            elif job.promise is None and self.promised() < self.depth:
                job.promise = self.earliest(job, now)

    def promised(self):
        return sum(job.promise is not None for job in self.waiting)

    def make_way(self):
        """Promises yield: under conservative to a higher priority, otherwise to any job that stands ahead."""
        first = next((job for job in self.waiting if job.promise is None), None)
        for job in self.waiting:
            if first is None or job.promise is None:
                continue
            if job.priority < first.priority if self.depth == math.inf else job.place > first.place:
                job.promise = None


POLICIES = {
    "fcfs": (0, Fcfs),
    "easy": (1, Easy),
    "hybrid-1": (1, lambda: Hybrid(Hybrid.Config(reservation_depth=1))),
    "hybrid-2": (2, lambda: Hybrid(Hybrid.Config(reservation_depth=2))),
    "hybrid-3": (3, lambda: Hybrid(Hybrid.Config(reservation_depth=3))),
    "conservative": (math.inf, Conservative),
}


def machine(nodes, cores):
    parts = [{"rank": str(IDset(range(nodes))), "children": {"core": str(IDset(range(cores)))}}]
    return {"version": 1, "execution": {"R_lite": parts}}


class CopyAndReplay(Rv1Pool):
    """Rv1 with the plan of the pool contract instead of its own."""

    _plans_amounts = False


POOLS = {
    "flat": lambda clock: FlatPool(CORES, clock=clock),
    "one-node": lambda clock: Rv1Pool(machine(1, CORES), clock=clock),
    "one-core-nodes": lambda clock: Rv1Pool(machine(CORES, 1), clock=clock),
    "copy-and-replay": lambda clock: CopyAndReplay(machine(1, CORES), clock=clock),
}


class Admission:
    def __init__(self, pool):
        self.pool = pool

    def admit(self, job):
        if isinstance(self.pool, FlatPool):
            return "", FlatRequest(job.width, job.limit), job.width
        return "", ResourceRequest(None, ResourceCount(job.width, job.width), 1, 0, job.limit, None, False), job.width


class Checked(Engine):
    def handle(self, event):
        actions = super().handle(event)
        self.check()
        return actions


def starts(pool, policy, jobs, outside):
    clock = ManualClock()
    made = POOLS[pool](clock)
    trace = [
        TraceJob(j.id, j.submit, j.run, 0 if j.estimate == math.inf else j.estimate, j.width, None, {}, False, None)
        for j in jobs
    ]
    events = [Cancel(t, n) if what == "cancel" else ChangePriority(t, n, value) for t, what, n, value in outside]
    engine = Checked(made, {"": (POLICIES[policy][1](), None)}, clock=clock, log=False)
    done = Simulator(engine, Admission(made), trace, events, schedule=Schedule("", CORES, 1)).run()
    return {job: start for job, start in zip(done.job, done.start, strict=True) if not math.isnan(start)}


@st.composite
def traces(draw, *, unlimited, most=14):
    """Jobs by submit time, and what happens to them from outside. Short spans and few lengths make ties and tight fits."""
    jobs = []
    submit = 0
    lengths = st.sampled_from([1, 2, 3, 4, 5, 8, 12])
    for number in range(1, draw(st.integers(1, most)) + 1):
        submit += draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 2.5]))
        run = draw(lengths)
        slack = draw(st.sampled_from([0, 0, 1, 2, 5, 9, math.inf] if unlimited else [0, 0, 1, 2, 5, 9]))
        jobs.append(Job(number, submit, draw(st.integers(1, CORES)), run + slack, run))
    outside = draw(
        st.lists(
            st.tuples(
                st.integers(0, 30),
                st.sampled_from(["cancel"] if unlimited else ["cancel", "priority"]),
                st.integers(1, len(jobs)),
                st.sampled_from([15, 16, 17, 18]),
            ),
            max_size=4,
        )
    )
    return jobs, sorted(outside, key=lambda event: event[0])


def compare(pool, policy, trace):
    jobs, outside = trace
    found = starts(pool, policy, jobs, outside)
    assert found == Reference(POLICIES[policy][0], jobs, outside).run()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=60 * SCALE, deadline=None)
@given(trace=traces(unlimited=False))
def test_all_starts_are_equal(pool, policy, trace):
    compare(pool, policy, trace)


@pytest.mark.parametrize("policy", ["fcfs", "easy", "conservative"])
@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=40 * SCALE, deadline=None)
@given(trace=traces(unlimited=True))
def test_with_unlimited_jobs(pool, policy, trace):
    compare(pool, policy, trace)


def test_the_reference_itself():
    """EASY by hand: 2 may not start before 1 has ended, 3 ends in time, 4 does not."""
    jobs = [Job(1, 0, 4, 10, 10), Job(2, 1, 6, 5, 5), Job(3, 2, 2, 8, 8), Job(4, 2, 2, 9, 9)]
    assert Reference(1, jobs).run() == {1: 0, 2: 10, 3: 2, 4: 15}
