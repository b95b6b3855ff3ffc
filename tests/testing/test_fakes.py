"""A pass in memory does to a policy what the engine's does."""

from __future__ import annotations

import pytest
from fluxplug_policy_backfill import Conservative, Easy

from fluxplug.engine.passes import Pass
from fluxplug.policy import QueuePolicy, SchedulingPass
from fluxplug.testing import FakePass, pending_job


def ids(jobs):
    return [job.jobid for job in jobs]


def test_a_policy_alone():
    p = FakePass(
        cores=4, jobs=[pending_job(1, 3, 10), pending_job(2, 4, 5), pending_job(3, 1, 20), pending_job(4, 1, 10)]
    )
    assert p.run(Easy()) is p
    assert p.started == [1, 4]
    assert p.reserved == {2: 10}


def test_it_has_all_that_a_policy_may_ask_for():
    wanted = {name for name in [*vars(SchedulingPass), *SchedulingPass.__annotations__] if not name.startswith("_")}
    p = FakePass(1, [])
    assert all(hasattr(p, name) for name in wanted)
    assert all(hasattr(Pass, name) for name in wanted)


def test_views_are_in_queue_order():
    jobs = [
        pending_job(1, 2, 10),
        pending_job(2, 1, 10, submitted=5),
        pending_job(3, 1, 10, submitted=4),
        pending_job(4, 2, 5, priority=17),
        pending_job(5, 1),
    ]
    p = FakePass(3, jobs, running=[(2, 8)], promised={4: 8}, now=5)
    assert ids(p.pending) == [4, 1, 5, 3, 2]
    assert ids(p.unreserved) == [1, 5, 3, 2]
    assert ids(p.startable) == [5, 3, 2]
    assert p.due == []
    assert p.reservations == 1


def test_what_is_done_to_a_job():
    p = FakePass(
        2, [pending_job(1, 1, 10), pending_job(2, 2, 10), pending_job(3, 3, 10), pending_job(4, 1, 10), pending_job(5)]
    )
    one, two, three, four, five = p.jobs.values()
    assert p.start(one)
    assert not p.start(one), "it runs"
    assert not p.start(two)
    assert p.reserve(two) == two.reserved == 10
    assert p.reserve(one) is None
    assert not p.start(three)
    assert p.denied == {3: "unsatisfiable request: need 3, only 2 available"}
    assert p.start(four)
    p.release(two)
    assert p.reserved == {}
    p.skip(five, "not on Sundays")
    assert p.skipped == {5: "not on Sundays"}
    p.deny(five, "never")
    assert ids(p.pending) == [2]
    assert p.started == [1, 4]


def test_what_can_have_no_promise_is_parked():
    p = FakePass(2, [pending_job(1, 2, 10)], running=[(1, float("inf"))])
    job = p.jobs[1]
    assert p.reserve(job) is None
    assert job.parked
    assert ids(p.pending) == []


def test_due_and_renewed():
    p = FakePass(2, [pending_job(1, 2, 10), pending_job(2, 1, 10)], promised={1: 5, 2: 15}, now=5, freed=True)
    assert ids(p.due) == [1]
    p.renew()
    assert p.reserved == {1: 5, 2: 15}
    p.run(Conservative())
    assert p.started == [1]
    p = FakePass(2, [pending_job(1, 2, 10)], promised={1: 7}, now=5, freed=True)
    p.run(Conservative())
    assert p.started == [1]


@pytest.mark.parametrize(("strict", "left"), [(False, {}), (True, {2: 10})])
def test_overtakers(strict, left):
    jobs = [pending_job(1, 2, 10), pending_job(2, 2, 10, submitted=1)]
    p = FakePass(2, jobs, promised={2: 10}, running=[(2, 10)])
    p.yield_to_overtakers(strict=strict)
    assert p.reserved == left
    p = FakePass(2, [pending_job(3, 2, 10)], promised={3: 10})
    p.yield_to_overtakers(strict=False)
    assert p.reserved == {3: 10}, "nobody is ahead of it"
    higher = pending_job(4, 2, 5, submitted=2, priority=20)
    p = FakePass(2, [*jobs[1:], higher], promised={2: 10}, running=[(2, 10)])
    p.yield_to_overtakers(strict=True)
    assert p.reserved == {}


def test_a_pass_that_goes_on_and_on():
    class Endless(QueuePolicy):
        name = "endless"

        def schedule(self, pass_):
            while True:
                yield

    with pytest.raises(AssertionError, match="endless: a pass over 0 jobs goes on and on"):
        FakePass(1, []).run(Endless())
