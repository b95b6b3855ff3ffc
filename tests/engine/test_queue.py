"""The pending queue against the obvious model: every view after every change, and who is offered to a policy that tries everybody."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxplug.engine.job import Job
from fluxplug.engine.queue import PendingQueue
from fluxplug.testing.flat import FlatRequest

SHAPES = (1, 2, 3)
LIMITS = (0, 5, 10, 20)


class World:
    """A queue, and what it should hold. `rooms` is how long each shape could be held now: it only shrinks until `gain` grows."""

    def __init__(self):
        self.queue = PendingQueue("")
        self.jobs, self.gone = [], []
        self.number = 0
        self.gain = 0
        self.rooms = dict.fromkeys(SHAPES, 0.0)

    def key(self, job, priority):
        return (-priority, job.submitted, job.sequence)

    def add(self, shape, limit, priority):
        self.number += 1
        self.enter(Job(self.number, FlatRequest(shape, limit), "", float(self.number // 3), self.number), priority)

    def enter(self, job, priority):
        self.queue.add(job, self.key(job, priority))
        self.jobs.append(job)
        behind = any(other.reserved is not None and other.key > job.key for other in self.jobs)
        assert self.queue.overtakers or not behind, "somebody came ahead of a promise, and nobody was told"

    def pick(self, which, jobs):
        return jobs[which % len(jobs)] if jobs else None

    def remove(self, which):
        job = self.pick(which, self.jobs)
        if job is not None:
            self.take(job)
            self.gone.append(job)

    def take(self, job):
        self.jobs.remove(job)
        self.queue.remove(job)

    def again(self, which, priority):
        """The job that left comes back, at the same place or at another."""
        job = self.pick(which, self.gone)
        if job is not None:
            self.gone.remove(job)
            self.enter(job, priority)

    def reserve(self, which, start):
        job = self.pick(which, self.jobs)
        if job is not None:
            self.queue.reserve(job, start)

    def unreserve(self, which):
        job = self.pick(which, [job for job in self.jobs if job.reserved is not None])
        if job is not None:
            self.queue.unreserve(job)
            self.gain += 1

    def more(self, rooms):
        self.gain += 1
        self.rooms = dict(zip(SHAPES, rooms, strict=True))

    def less(self, shape, room):
        self.rooms[shape] = min(self.rooms[shape], room)

    def fits(self, job):
        return self.rooms[job.request.shape] >= (job.limit or math.inf)

    def bounds(self, requests):
        """As a pool may say it: infinite where it does not know."""
        return [
            math.inf if request.shape == 3 and self.rooms[3] > 0 else self.rooms[request.shape] for request in requests
        ]

    def run(self, most, passed, shrink):
        """A pass that tries whom it is offered, but for `passed`, and gives up after `most`; then everybody who could start has."""
        told = []
        for number, job in enumerate(self.queue.startable(self.gain, self.bounds)):
            assert job.reserved is None
            told.append(job.fresh[:3])
            if job.jobid in passed:
                continue
            if self.fits(job):
                self.take(job)
                self.less(job.request.shape, shrink)
            else:
                self.queue.refuse(job)
            if number == most:
                return
        assert told == sorted(told), "out of order"
        left = [job for job in self.jobs if job.reserved is None and self.fits(job) and job.jobid not in passed]
        assert not left, f"never offered: {[job.jobid for job in left]}"

    def search(self, longest):
        """A pass that looks for starts: none is in sight for limits over the `longest` of their shape. Each is found out once."""
        self.gain += 1
        fresh = sorted((job for job in self.jobs if job.reserved is None), key=lambda job: job.key)

        def lost(job):
            return (job.limit or math.inf) > longest[job.request.shape - 1]

        found = {}
        expected = []
        for job in fresh:
            shape, limit = job.request.shape, job.limit or math.inf
            if shape in found and limit >= found[shape]:
                continue
            expected.append(job)
            if lost(job):
                found[shape] = limit
        seen = []
        for job in self.queue.candidates(self.gain):
            seen.append(job)
            if lost(job):
                self.queue.lose_sight(job, self.gain)
        assert seen == expected
        assert list(self.queue.candidates(self.gain)) == [job for job in fresh if not lost(job)]
        assert [job for job in fresh if self.queue.out_of_sight(job, self.gain)] == [job for job in fresh if lost(job)]
        assert list(self.queue.candidates(self.gain + 1)) == fresh, "what is known does not outlive a gain"
        self.gain += 1

    def check(self):
        queue = self.queue
        queue.check()
        assert len(queue) == len(self.jobs)
        assert list(queue) == sorted(self.jobs, key=lambda job: job.key)
        assert list(queue.fresh) == sorted((job for job in self.jobs if job.reserved is None), key=lambda job: job.key)
        assert queue.reserved.keys() == {job.jobid for job in self.jobs if job.reserved is not None}


priorities = st.sampled_from([16, 16, 16, 15, 17])
which = st.integers(0, 50)
room = st.sampled_from([-1.0, 4.0, 5.0, 10.0, 15.0, 20.0, math.inf])
add = st.tuples(st.just("add"), st.sampled_from(SHAPES), st.sampled_from(LIMITS), priorities)
run = st.tuples(st.just("run"), st.integers(0, 6), st.sets(st.integers(1, 12), max_size=3), room)
things = [
    *[add] * 6,
    *[run] * 3,
    st.tuples(st.just("remove"), which),
    st.tuples(st.just("again"), which, priorities),
    st.tuples(st.just("reserve"), which, st.integers(0, 99)),
    st.tuples(st.just("unreserve"), which),
    st.tuples(st.just("more"), st.tuples(room, room, room)),
    st.tuples(st.just("less"), st.sampled_from(SHAPES), room),
    st.tuples(st.just("search"), st.tuples(room, room, room)),
]


@pytest.mark.parametrize("passed_over", [0, 1, 64])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.integers(0, 40).flatmap(
        lambda n: st.lists(st.sampled_from(things).flatmap(lambda s: s), min_size=n, max_size=n + 10)
    )
)
def test_any_history(monkeypatch, passed_over, history):
    monkeypatch.setattr("fluxplug.engine.queue.PASSED_OVER", passed_over)
    world = World()
    for what, *arguments in history:
        getattr(world, what)(*arguments)
        world.check()
    world.run(math.inf, set(), 0.0)
    world.check()


class TestLazyDeletion:
    def made(self, number):
        world = World()
        for _ in range(number):
            world.add(1, 10, 16)
        return world

    def test_views_are_compacted(self):
        world = self.made(1000)
        for job in world.jobs[::-1][:990]:
            world.take(job)
        assert len(world.queue.fresh.entries) < 100
        world.check()

    def test_jobs_that_leave_during_a_loop_are_passed_over(self):
        world = self.made(200)
        seen = []
        for job in world.queue:
            seen.append(job.jobid)
            for other in [other for other in world.jobs if job.jobid <= other.jobid < job.jobid + 4]:
                world.take(other)
        assert seen == list(range(1, 201, 4))
        assert len(world.queue) == 0

    def test_jobs_that_come_back_during_a_loop_are_seen_once_at_most(self):
        world = self.made(10)
        seen = []
        for job in world.queue:
            seen.append(job.jobid)
            if job.jobid == 3:
                world.remove(world.jobs.index(job))
                world.again(0, 16)
        assert seen == list(range(1, 11))
        world.check()

    def test_promised_and_released_during_a_loop(self):
        """As a policy may do that finds the promised start too late."""
        world = self.made(10)
        seen = []
        for job in world.queue.fresh:
            seen.append(job.jobid)
            world.queue.reserve(job, 100)
            world.queue.unreserve(job)
        assert seen == list(range(1, 11))
        world.check()

    def test_the_same_job_many_times(self):
        world = self.made(3)
        for _ in range(200):
            world.remove(1)
            world.again(0, 16)
            world.check()
        assert len(world.queue.fresh.entries) < 100


class TestOffers:
    def test_only_of_what_changed(self):
        """A submission is asked about alone: the rest was refused, and nothing was gained since."""
        world = World()
        for limit in (5, 10, 20):
            world.add(1, limit, 16)
            world.add(2, limit, 16)
        asked = []
        for job in world.queue.startable(0, world.bounds):
            world.queue.refuse(job)
        world.add(2, 5, 16)

        def bounds(requests):
            asked.extend(requests)
            return world.bounds(requests)

        assert list(world.queue.startable(0, bounds)) == []
        assert {request.shape for request in asked} <= {2}

    def test_bounds_of_the_shortest_limit(self):
        world = World()
        world.more((10.0, 10.0, -1.0))
        for limit in (20, 10, 0, 5):
            world.add(1, limit, 16)
        assert [job.limit for job in world.queue.startable(1, world.bounds)][:1] == [10]

    def test_a_refused_promise_needs_no_group(self):
        world = World()
        world.add(1, 5, 16)
        world.add(2, 5, 16)
        world.reserve(1, 7)
        list(world.queue.startable(0, world.bounds))
        world.queue.refuse(world.jobs[1])
        world.check()

    @pytest.mark.parametrize("stop", [1, 2, 3])
    def test_what_a_policy_did_not_get_to_is_offered_again(self, stop):
        world = World()
        world.more((50.0, 50.0, 50.0))
        for shape in SHAPES:
            world.add(shape, 5, 16)
            world.add(shape, 10, 16)
        world.run(stop - 1, set(), 50.0)
        assert [job.jobid for job in world.queue.startable(1, world.bounds)][:1] == [stop + 1]

    def test_passing_over_one_hides_nobody(self):
        world = World()
        world.more((50.0, 50.0, 50.0))
        for limit in (5, 10, 5, 10):
            world.add(1, limit, 16)
        assert [job.jobid for job in world.queue.startable(1, world.bounds)] == [1, 2, 3, 4]
