"""Promises and fairness under anything that can happen, on machines of every kind.

A history is a list of things to do: submit, wait, cancel, hold, change, fail, repair. `World` does them to an engine, lets jobs end in between, and
looks at everything after each event and after each pass. One run has all the properties: a history that breaks one is a bug, whatever
it was looking for.
"""

from __future__ import annotations

import math
import os
from heapq import heappop, heappush

import pytest
from attrs import define
from fluxplug_policy_backfill import Conservative, Easy, Hybrid
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_graph.pool import GraphPool
from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.clock import ManualClock
from fluxplug.engine import events as ev
from fluxplug.engine.engine import Engine
from fluxplug.engine.explain import estimates, explain
from fluxplug.engine.states import State
from fluxplug.errors import InsufficientResources
from fluxplug.testing.builders import jobspec
from fluxplug.testing.contracts.books import Books
from fluxplug.testing.flat import FlatPool
from fluxplug.testing.strategies import asks, machines, one_node, plain_asks, single_cores
from fluxplug.values.idset import IDset

SCALE = 10 if os.environ.get("FLUXPLUG_SLOW") else 1

REASONS = {"resources", "reservation", "policy", "depth", "down", "unlimited", "held", "dependency"}


class CopyAndReplay(Rv1Pool):
    """Rv1 with the plan of the pool contract instead of its own."""

    _plans_amounts = False


def hybrid(depth):
    return lambda: Hybrid(Hybrid.Config(reservation_depth=depth))


POLICIES = {
    "fcfs": (0, Fcfs),
    "easy": (1, Easy),
    "hybrid-2": (2, hybrid(2)),
    "hybrid-3": (3, hybrid(3)),
    "conservative": (math.inf, Conservative),
}

# Machines of a kind, the pool on them, and what jobs ask of them.
KINDS = {
    "flat": (one_node(), FlatPool, plain_asks),
    "one-node": (one_node(), Rv1Pool, plain_asks),
    "one-core-nodes": (single_cores(), Rv1Pool, plain_asks),
    "whole-nodes": (
        machines(),
        Rv1Pool,
        lambda machine: asks(machine).map(lambda ask: ask | {"exclusive": True} if "nodes" in ask else ask),
    ),
    "any": (machines(), Rv1Pool, asks),
    "graph": (machines(), GraphPool, asks),
    "graph-one-core-nodes": (single_cores(), GraphPool, plain_asks),
    "copy-and-replay": (machines(nodes=(1, 4)), CopyAndReplay, asks),
}


@define
class Setup:
    """What a history happens to: a machine, a pool on it, and queues of (policy, depth)."""

    machine: dict
    pool: type
    queues: dict

    def engine(self):
        clock = ManualClock()
        queues = {name: (POLICIES[policy][1](), depth) for name, (policy, depth) in self.queues.items()}
        return Engine(self.pool(self.machine, clock=clock), queues, clock=clock)


class World:
    """An engine, its driver, and the books. `grace`: how long a job that is over its limit may hang on."""

    def __init__(self, setup, *, grace=0):
        self.setup = setup
        self.engine = setup.engine()
        self.books = Books(setup.machine)
        self.grace = grace
        self.runs, self.until, self.ends = {}, {}, []
        self.recorded, self.told = [], []
        self.number = 0
        self.endless = False
        self.excused = False
        self.before = {}

    @property
    def now(self):
        return self.engine.now

    # The driver.

    def handle(self, event):
        """One event, and what must hold after any."""
        self.recorded.append(event)
        down = isinstance(event, ev.NodesDown)
        if down or isinstance(event, ev.NodesUp):
            (self.books.down.update if down else self.books.down.difference_update)(set(IDset(event.ranks)))
            self.excused |= down
        actions = self.engine.handle(event)
        self.told.append((actions.start, actions.stop, actions.log))
        for start in actions.start:
            job = self.engine.running[start.jobid]
            self.books.take(start.jobid, start.R)
            self.books.serves(job.request, start.R) if isinstance(self.engine.pool, Rv1Pool) else None
            assert start.end == job.ends == self.now + (job.limit or math.inf)
            self.end_at(start.jobid, min(self.now + self.runs[start.jobid], job.ends + self.grace))
        for stop in actions.stop:
            if stop.jobid in self.engine.running:
                self.end_at(stop.jobid, self.now + self.grace)
        self.engine.check()
        self.balance()
        return actions

    def balance(self):
        """What is held is what was given and not yet taken back, to the core."""
        allocated = self.engine.pool.copy_allocated()
        assert allocated.count("core") == self.books.count("core")
        if isinstance(self.engine.pool, Rv1Pool):
            assert allocated.nodes == self.books.nodes()

    def end_at(self, jobid, time):
        self.until[jobid] = time
        heappush(self.ends, (time, jobid))

    def end(self, jobid):
        job = self.engine.running[jobid]
        self.excused |= job.ends < self.now
        del self.books.held[jobid]
        self.handle(ev.Ended(self.now, jobid))

    def next_instant(self):
        while self.ends and self.until.get(self.ends[0][1]) != self.ends[0][0]:
            heappop(self.ends)
        first = self.ends[0][0] if self.ends else math.inf
        return min(first, self.engine.next_due())

    def instant(self):
        """The next instant of its own: the ends, then a pass."""
        now = self.next_instant()
        assert now >= self.now
        self.engine.clock.time = now
        while self.ends and self.ends[0][0] == now:
            jobid = heappop(self.ends)[1]
            if self.until.get(jobid) == now:
                del self.until[jobid]
                self.end(jobid)
        self.close()

    def wait(self, seconds):
        self.close()
        target = self.now + seconds
        while self.next_instant() <= target:
            self.instant()
        self.engine.clock.time = target

    # What may happen.

    def do(self, what, *arguments):
        getattr(self, what)(*arguments)

    def submit(self, ask, run, queue, urgency):
        self.number += 1
        self.endless |= not ask.get("limit", 0)
        self.runs[self.number] = run
        request = self.engine.pool.parse_resource_request(jobspec(**ask))
        names = list(self.setup.queues)
        self.handle(ev.Submit(self.now, self.number, request, names[queue % len(names)], urgency))

    def pick(self, which, states):
        jobs = [jobid for jobid, job in sorted(self.engine.jobs.items()) if job.state in states]
        return jobs[which % len(jobs)] if jobs else None

    def cancel(self, which):
        jobid = self.pick(which, list(State))
        if jobid is not None:
            self.handle(ev.Cancel(self.now, jobid))

    def urgency(self, which, urgency):
        jobid = self.pick(which, [State.SCHED])
        if jobid is not None:
            self.handle(ev.SetUrgency(self.now, jobid, urgency))

    def priority(self, which, priority):
        jobid = self.pick(which, [State.SCHED])
        if jobid is not None:
            self.handle(ev.SetPriority(self.now, jobid, priority))

    def limit(self, which, limit):
        jobid = self.pick(which, [State.SCHED, State.RUN])
        if jobid is None:
            return
        job = self.engine.jobs[jobid]
        self.endless |= limit == 0
        old, kept = job.limit or math.inf, job.reserved
        running = job.state == State.RUN
        self.handle(ev.SetLimit(self.now, jobid, limit))
        if running:
            self.excused |= (limit or math.inf) > old
            self.end_at(jobid, max(min(job.started + self.runs[jobid], job.ends + self.grace), self.now))
            self.excused |= job.ends < self.now
        elif (limit or math.inf) > old:  # and it may become shorter again before the next pass
            self.newcomer(jobid)
        elif kept is not None and self.setup.pool is not CopyAndReplay:
            assert job.reserved == kept, "a shorter limit cost a job its place"

    def move(self, which, queue, limit):
        jobid = self.pick(which, [State.SCHED])
        if jobid is None:
            return
        job, names = self.engine.jobs[jobid], list(self.setup.queues)
        self.endless |= limit == 0
        submitted = job.submitted
        event = ev.SetQueue(self.now, jobid, names[queue % len(names)], job.request.with_duration(limit))
        self.handle(event)
        assert (job.queue, job.submitted, job.reserved) == (event.queue, submitted, None)
        self.newcomer(jobid)  # also where it was in that queue before

    def newcomer(self, jobid):
        """What a job was promised is given up: it is as one that has just come."""
        for known in self.before.values():
            known.pop(jobid, None)

    def down(self, ranks, kill):
        self.handle(ev.NodesDown(self.now, self.idset(ranks), kill))

    def up(self, ranks):
        self.handle(ev.NodesUp(self.now, self.idset(ranks)))

    def idset(self, which):
        ranks = sorted(self.books.total)
        return IDset([ranks[n % len(ranks)] for n in which]).encode()

    # What must hold after a pass.

    def close(self):
        engine = self.engine
        actions = self.handle(ev.Pass(self.now))
        started = [engine.running[start.jobid] for start in actions.start]
        overdue = any(job.ends <= self.now for job in engine.running.values())
        for name, state in engine.queues.items():
            policy, depth = self.setup.queues[name]
            promises = POLICIES[policy][0]
            jobs = list(state.pending)
            mine = {job.jobid: (-job.priority, job.submitted, job.sequence) for job in started if job.queue == name}
            self.in_order(policy, jobs, mine)
            self.promised(promises, jobs, depth, overdue=overdue)
            self.kept(name, promises, jobs, mine, excused=self.excused or overdue)
            # What has no end and is taken back in the pass of another queue may have left a job without a start that is in sight again by now.
            if depth is not None and not (self.endless and len(engine.queues) > 1):
                promised = {jobid for jobid, (_, start, _) in self.before.get(name, {}).items() if start is not None}
                self.within_depth(
                    depth, self.in_sight(jobs), [key for jobid, key in mine.items() if jobid not in promised]
                )
            self.nobody_left(policy, jobs, depth)
        self.before = {
            name: {job.jobid: (job.key, job.reserved, job.limit) for job in state.pending}
            for name, state in engine.queues.items()
        }
        self.excused = False

    def in_order(self, policy, jobs, started):
        """Under fcfs nobody starts while somebody ahead waits, those apart who wait for a node."""
        if policy == "fcfs" and jobs:
            assert all(key < jobs[0].key for key in started.values()), "overtaken under fcfs"

    def in_sight(self, jobs):
        """Those that have a start, promises considered: jobs without a limit may leave none.

        Where nodes are named, that depends on which, so there it can be found later what was not before.
        """
        if not self.endless:
            return jobs
        if len(self.books.total) > 1:
            return [job for job in jobs if job.reserved is not None]
        now, pool = self.now, self.engine.pool
        return [job for job in jobs if job.reserved is not None or pool.earliest_start(job.request, now) is not None]

    def promised(self, promises, jobs, depth, *, overdue):
        """As many promises as the policy gives, to the first in the queue; each lies ahead."""
        reserved = [job for job in jobs if job.reserved is not None]
        assert all(job.reserved > self.now for job in reserved)
        if not overdue:
            looked_at = self.in_sight(jobs)[:depth]
            assert len(reserved) <= max(promises, len(reserved) if depth else 0)
            assert len(reserved) >= min(promises, len(looked_at)), "fewer promises than there could be"
            if depth is None and promises < math.inf and not self.endless:
                assert reserved == jobs[: len(reserved)], "a promise, but not to the first"

    def kept(self, name, promises, jobs, started, *, excused):
        """Nobody starts, or is to start, later than promised, but for the causes that policies.md names."""
        before = self.before.get(name, {})
        newcomers = [job.key for job in jobs if before.get(job.jobid, (None,))[0] != job.key]
        newcomers += [key for jobid, key in started.items() if before.get(jobid, (None,))[0] != key]
        longest = {jobid: limit or math.inf for jobid, (_, _, limit) in before.items()}
        newcomers += [job.key for job in jobs if (job.limit or math.inf) > longest.get(job.jobid, math.inf)]
        if promises < math.inf and self.endless:  # who had no start in sight has a say again
            newcomers += [key for key, promise, _ in before.values() if promise is None]
        if excused or self.setup.pool is CopyAndReplay:  # it places what is promised anew each time
            return
        after = {job.jobid: job for job in jobs}
        for jobid, (key, promise, limit) in before.items():
            job = after.get(jobid)
            if promise is None or (job is None and jobid not in started):
                continue  # it is over, held, or parked because something else happened to it
            if job is None:
                assert self.now <= promise, f"job {jobid} started at {self.now}, promised at {promise}"
                continue
            changed = job.key != key or (job.limit or math.inf) > (limit or math.inf)
            ahead = [k for k in newcomers if (k[0] < key[0] if promises == math.inf else k < key)]
            if not changed and not ahead:
                assert job.reserved is not None, f"job {jobid} has lost its promise"
                assert job.reserved <= promise, f"job {jobid} was promised {promise}, and now {job.reserved}"

    def within_depth(self, depth, jobs, started):
        """Who starts, and was not promised to, has fewer than `depth` jobs ahead that have not."""
        for key in started:
            assert sum(job.key < key for job in jobs) < depth, "started from beyond the depth"

    def nobody_left(self, policy, jobs, depth):
        """Whoever could start now has started: all that the policy may start are tried on the pool itself."""
        candidates = jobs[:1] if policy == "fcfs" else [job for job in jobs[:depth] if job.reserved is None]
        for job in candidates:
            generation = self.engine.pool.generation
            with pytest.raises(InsufficientResources):
                self.engine.pool.alloc(job.jobid, job.request)
            assert self.engine.pool.generation == generation
        self.engine.pool.check()

    def explained(self):
        """Every waiting job has a reason; and a start, where one can be foreseen."""
        engine = self.engine
        starts = dict(estimates(engine))
        assert starts.keys() == {jobid for jobid, job in engine.jobs.items() if job.key is not None or job.parked}
        endless = any(job.limit == 0 for job in engine.jobs.values())
        for job in engine.jobs.values():
            told = explain(engine, job.jobid)
            assert (told.jobid, told.time, told.reserved) == (job.jobid, self.now, job.reserved)
            assert told.text
            if job.jobid in engine.running:
                assert told.reason == "running"
                continue
            assert told.reason in REASONS, told
            assert told.estimate == starts.get(job.jobid)
            if job.reserved is not None:
                assert told.estimate == job.reserved
            elif job.key is not None:
                assert told.position > 0
                assert told.estimate is None or told.estimate >= self.now
                assert endless or told.reason == "down" or told.estimate is not None
            else:
                assert told.estimate is None
                assert told.reason in {"down", "unlimited", "held"}

    def drain(self):
        """All nodes come back, all jobs are released: everything that was submitted comes to its end."""
        self.up(range(len(self.books.total)))
        for job in list(self.engine.jobs.values()):
            if job.urgency == 0:
                self.handle(ev.SetUrgency(self.now, job.jobid, 16))
        self.close()
        for _ in range(20 * self.number + 20):
            if self.next_instant() == math.inf:
                break
            self.instant()
        assert self.engine.jobs == {}, "jobs that never start"
        assert self.engine.parked == {}
        assert not self.books.held
        assert self.engine.pool.copy_allocated().count("core") == 0


def histories(kind, *, calm=False):
    """(setup, things to do) for a kind of machine. `calm`: no failures and no changes, only jobs and cancels."""
    document, pool, requests = KINDS[kind]

    @st.composite
    def draw_history(draw):
        machine = draw(document)
        policy = st.sampled_from(sorted(POLICIES))
        depth = st.one_of(st.none(), st.none(), st.integers(1, 4))
        names = draw(st.sampled_from([("",), ("",), ("a", "b")]))
        queues = {name: (draw(policy), draw(depth)) for name in names}
        which, ranks = st.integers(0, 30), st.lists(st.integers(0, 5), min_size=1, max_size=3)
        seconds = st.sampled_from([1, 1, 2, 3, 5, 8, 0.5])
        limits = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 2.5])
        submit = st.tuples(
            st.just("submit"),
            requests(machine),
            seconds,
            st.integers(0, 1),
            st.sampled_from([16, 16, 16, 0, 15, 17, 31]),
        )
        wait = st.tuples(st.just("wait"), seconds)
        things = [*[submit] * 8, *[wait] * 4, st.tuples(st.just("cancel"), which)]
        if not calm:
            things += [
                st.tuples(st.just("urgency"), which, st.sampled_from([0, 15, 16, 17, 31])),
                st.tuples(st.just("priority"), which, st.sampled_from([0, 15, 16, 17])),
                st.tuples(st.just("limit"), which, limits),
                st.tuples(st.just("move"), which, st.integers(0, 1), limits),
                st.tuples(st.just("down"), ranks, st.booleans()),
                st.tuples(st.just("up"), ranks),
            ]
        length = draw(st.integers(0, 25))
        return Setup(machine, pool, queues), draw(
            st.lists(st.sampled_from(things).flatmap(lambda thing: thing), min_size=length, max_size=length + 8)
        )

    return draw_history()


def live(setup, things, *, grace=0, explained=True):
    world = World(setup, grace=grace)
    for thing in things:
        world.do(*thing)
        if explained and thing[0] == "wait":
            world.explained()
    world.close()
    if explained:
        world.explained()
    world.drain()
    return world


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100 * SCALE, deadline=None)
@given(data=st.data())
def test_whatever_happens(kind, data):
    live(*data.draw(histories(kind)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25 * SCALE, deadline=None)
@given(data=st.data())
def test_jobs_that_run_over_their_limits(kind, data):
    """They are stopped late: promises lapse meanwhile, and everything comes to its end all the same."""
    live(*data.draw(histories(kind)), grace=data.draw(st.sampled_from([0.5, 1, 3])), explained=False)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25 * SCALE, deadline=None)
@given(data=st.data())
def test_replay(kind, data):
    """An engine that handles the same events is in the same state, and would have told the same."""
    setup, things = data.draw(histories(kind))
    world = World(setup)
    for thing in things:
        world.do(*thing)
    world.close()
    again = setup.engine()
    told = [again.handle(event) for event in world.recorded]
    assert [(actions.start, actions.stop, actions.log) for actions in told] == world.told
    assert again.snapshot() == world.engine.snapshot()
    again.check()
