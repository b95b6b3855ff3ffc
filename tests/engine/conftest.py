"""A bench for the engine: events by hand, what came of them in short."""

from __future__ import annotations

import pytest
from fluxplug_policy_backfill import Conservative, Easy, Hybrid
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock
from fluxplug.engine import events as ev
from fluxplug.engine.engine import Engine
from fluxplug.resource import ResourceCount, ResourceRequest
from fluxplug.testing.builders import R

POLICIES = {"fcfs": Fcfs, "easy": Easy, "conservative": Conservative}


def policy_of(name):
    """`hybrid-2` is hybrid with two reservations."""
    word, _, depth = name.partition("-")
    return Hybrid(Hybrid.Config(reservation_depth=int(depth))) if word == "hybrid" else POLICIES[name]()


def request_of(cores, limit):
    return ResourceRequest(None, ResourceCount(cores, cores), 1, 0, limit, None, False)


class Bench:
    """An engine on one node of `amount` cores, on `nodes` nodes of one core, or on the R `machine`. Time moves when an event says so."""

    def __init__(self, policy="fcfs", *, amount=4, nodes=0, machine=None, depth=None, queues=None, **options):
        self.clock = ManualClock()
        self.pool = Rv1Pool(machine or (R(nodes) if nodes else R(cores=amount)), clock=self.clock)
        chosen = queues or {"": (policy, depth)}
        made = {name: (policy_of(each), deep) for name, (each, deep) in chosen.items()}
        self.engine = Engine(self.pool, made, clock=self.clock, **options)
        self.events, self.log, self.stopped = [], [], []

    def __call__(self, *events, now=None):
        """Hand over events of one instant, close it, and return the ids of the jobs that start."""
        time = events[0].time if events else now
        started = []
        for event in [*events, ev.Pass(time)]:
            self.events.append(event)
            actions = self.engine.handle(event)
            self.engine.check()
            started += [start.jobid for start in actions.start]
            self.log += actions.log
            self.stopped += actions.stop
        return started

    def submit(self, time, jobid, amount, limit=0.0, **fields):
        return ev.Submit(time, jobid, request_of(amount, limit), **fields)

    def names(self, jobid):
        """The event log of a job, in short."""
        return [entry.name for entry in self.log if entry.jobid == jobid]

    def contexts(self, jobid):
        return [(entry.name, entry.context or {}) for entry in self.log if entry.jobid == jobid]

    def promised(self):
        return dict(self.pool.reservations())

    def out_of_sight(self):
        """Who is known to have no start in sight."""
        engine = self.engine
        return [
            job.jobid
            for state in engine.queues.values()
            for job in state.pending
            if state.pending.out_of_sight(job, engine.gain)
        ]

    def job(self, jobid):
        return self.engine.jobs[jobid]


@pytest.fixture(scope="session")
def bench():
    return Bench
