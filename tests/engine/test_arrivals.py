"""Arrivals that a policy need not look at: no pass is run for them, and nothing starts later for that."""

from __future__ import annotations

import random

import pytest
from fluxplug_policy_backfill import Easy, Hybrid
from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock
from fluxplug.engine import events as ev
from fluxplug.engine.engine import Engine
from fluxplug.resource import ResourceCount, ResourceRequest
from fluxplug.testing import FakePass, pending_job
from fluxplug.testing.builders import R


class HeedsAll:
    """The same policy, with a pass for every arrival."""

    def heeds(self, pass_, job):
        return True


class EasyThatHeedsAll(HeedsAll, Easy):
    pass


class HybridThatHeedsAll(HeedsAll, Hybrid):
    pass


def test_no_pass_for_an_arrival_that_is_known_not_to_start(bench):
    run = bench("easy", amount=2)
    run(run.submit(0, 1, 2, 10.0))
    run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 1, 20.0))
    assert run.promised() == {2: 10}
    passes = run.engine.passes
    run(run.submit(2, 4, 1, 20.0), run.submit(2, 5, 1, 30.0))
    assert run.engine.passes == passes
    assert not run.engine.wants_pass()
    assert run(ev.Ended(10, 1)) == [2]
    assert run(ev.Ended(20, 2)) == [3, 4]


@pytest.mark.parametrize(
    "arrival",
    [
        pytest.param({"jobid": 9, "cores": 1, "limit": 5.0}, id="a shorter limit"),
        pytest.param({"jobid": 9, "cores": 1, "limit": 20.0, "urgency": 20}, id="a higher priority"),
    ],
)
def test_a_pass_for_one_that_may(bench, arrival):
    run = bench("easy", amount=2)
    run(run.submit(0, 1, 1, 10.0))
    run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 1, 20.0))
    passes = run.engine.passes
    run(run.submit(2, arrival.pop("jobid"), arrival.pop("cores"), arrival.pop("limit"), **arrival))
    assert run.engine.passes > passes


def test_a_policy_with_reservations_left_heeds_all():
    jobs = [pending_job(1, 2, 10), pending_job(2, 2, 10, submitted=1), pending_job(3, 1, 20, submitted=2)]
    p = FakePass(2, jobs, running=[(1, 10)], promised={1: 10})
    assert p.hopeless(jobs[2])
    assert not Easy().heeds(p, jobs[2])
    assert Hybrid(Hybrid.Config(reservation_depth=2)).heeds(p, jobs[2])
    assert not p.hopeless(pending_job(4, 1, 5, submitted=3)), "it ends before the promise"
    assert not p.hopeless(pending_job(5, 1, 20, submitted=3, priority=17)), "it is ahead of the promise"


def history(policy, seed):
    """(time, job) of every start of a random history of 400 jobs, some of which are cancelled, end early, or have no limit."""
    rng = random.Random(seed)
    clock = ManualClock()
    engine = Engine(Rv1Pool(R(cores=8), clock=clock), {"": (policy, None)}, clock=clock, log=False)
    starts, ends, now = [], [], 0.0
    for jobid in range(400):
        for end, other in sorted(ends):
            if end <= now:
                ends.remove((end, other))
                perform(engine, ev.Ended(max(end, engine.now), other), starts, ends)
        width, limit = (
            rng.choice((1, 1, 2, 3, 8)),
            rng.choice((0, 5, 5, 20, 60)) if seed % 2 else rng.choice((5, 20, 60)),
        )
        request = ResourceRequest(None, ResourceCount(width, width), 1, 0, limit, None, False)
        perform(
            engine, ev.Submit(max(now, engine.now), jobid, request, urgency=rng.choice((16, 16, 16, 20))), starts, ends
        )
        if jobid % 17 == 0 and jobid - 3 in engine.jobs and jobid - 3 not in engine.running:
            perform(engine, ev.Cancel(engine.now, jobid - 3), starts, ends)
        now += rng.choice((0, 0, 1, 1, 2, 6))
    return starts


def perform(engine, event, starts, ends):
    """Hand over an event and a pass; jobs that start end within their limits, by what their number says."""
    for action in (engine.handle(event), engine.handle(ev.Pass(event.time))):
        for jobid, _, until in action.start:
            starts.append((event.time, jobid))
            longest = min(until - event.time, 30)
            ends.append((event.time + max(1, longest * (jobid % 4 + 1) // 4), jobid))
    engine.check()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("policy", "peer"),
    [(Easy, EasyThatHeedsAll), (Hybrid, HybridThatHeedsAll)],
    ids=["easy", "hybrid"],
)
def test_nothing_starts_later_for_it(policy, peer, seed):
    config = Hybrid.Config(reservation_depth=3)
    one, other = (kind(config) if issubclass(kind, Hybrid) else kind() for kind in (policy, peer))
    starts = history(one, seed)
    assert starts == history(other, seed)
    assert len(starts) > 50
