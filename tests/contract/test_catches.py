"""The contract suites can fail: pools and policies with one fault each, and the suite finds it."""

from __future__ import annotations

import pytest
from attrs import frozen
from hypothesis import Phase, settings

from fluxplug.config import option
from fluxplug.errors import InsufficientResources
from fluxplug.policy import QueuePolicy
from fluxplug.resource.timeline import Timeline
from fluxplug.testing import FlatPool, strategies
from fluxplug.testing.contracts import PolicyContract, PoolContract


def fails(suite, name):
    """Whether a test of a suite fails."""
    try:
        getattr(suite, f"test_{name}")()
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - any of them tells
        return True
    return False


# Pools.


class Oversubscribes(FlatPool):
    """Looks at what is asked for alone."""

    def place(self, jobid, request):
        self.check_feasibility(request)
        self.held -= request.amount
        self._hold(jobid, request.amount, self.clock.now() + request.seconds)
        return self.to_set().__class__(request.amount)

    def alloc(self, jobid, request):
        return self.place(jobid, request)

    def check(self):
        pass


class BreaksPromises(FlatPool):
    def alloc(self, jobid, request):
        R = self.place(jobid, request)  # noqa: N806
        self.unreserve(jobid)
        return R


class LosesItsPromise(FlatPool):
    def unreserve(self, jobid):
        super().unreserve(jobid)
        for other in list(self.promised)[:1]:
            super().unreserve(other)


class PlansTooLate(FlatPool):
    def earliest_start(self, request, after):
        start = super().earliest_start(request, after)
        return start if start in {None, after} else start + 1


class PlansTooEarly(FlatPool):
    def earliest_start(self, request, after):
        return super().earliest_start(request.with_duration(0.5), after)


class KeepsSome(FlatPool):
    def free(self, jobid, R=None, final=False):  # noqa: N803
        lost = self.holders.get(jobid, (0, 0))[0] > 1
        super().free(jobid, R, final)
        if lost:
            self.amount -= 1
            self.line = Timeline(self.amount, self.clock.now())


class TooLittleRoom(FlatPool):
    def rooms(self, requests):
        return [room - 1 if room > 0 else room for room in super().rooms(requests)]


class SharesWithItsCopy(FlatPool):
    def copy(self):
        new = super().copy()
        new.holders = self.holders
        return new


class StandsStill(FlatPool):
    generation = property(lambda _: 0, lambda *_: None)


class ForgetsEnds(FlatPool):
    def job_end_times(self):
        return [(jobid, 0.0) for jobid, _ in super().job_end_times()]


class SaysNotNowForNever(FlatPool):
    def check_feasibility(self, request):
        if request.amount > self.amount:
            raise InsufficientResources


class UsesWhatIsDown(FlatPool):
    def copy_down(self):
        return super().copy_down() if self.up else type(super().copy_down())(self.amount, (0,))

    def place(self, jobid, request):
        up, self.up = self.up, True
        try:
            return super().place(jobid, request)
        finally:
            self.up = up


class RenewsIntoNowhere(FlatPool):
    """Tells of moves that it has not made."""

    def renew(self, queue, promised, after):
        super().renew(queue, promised, after)
        return []


class NamesTooEarly(FlatPool):
    """Keeps one core from whoever would run into any promise."""

    def alloc(self, jobid, request):
        later = [start for other, (_, start) in self.promised.items() if other != jobid]
        if later and self.clock.now() + request.seconds > min(later) > self.clock.now():
            raise InsufficientResources
        return super().alloc(jobid, request)


POOLS = [
    Oversubscribes,
    BreaksPromises,
    LosesItsPromise,
    PlansTooLate,
    PlansTooEarly,
    KeepsSome,
    TooLittleRoom,
    SharesWithItsCopy,
    StandsStill,
    ForgetsEnds,
    SaysNotNowForNever,
    UsesWhatIsDown,
    RenewsIntoNowhere,
    NamesTooEarly,
]


def quick(examples):
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
    )


@pytest.mark.parametrize("pool", POOLS)
def test_a_fault_of_a_pool_is_found(pool):
    class Suite(PoolContract):
        machines = strategies.one_node()
        interchangeable = strategies.one_node()

        def make_pool(self, R, clock):  # noqa: N803
            return pool(R, clock=clock)

        def settings(self, examples):
            return quick(examples)

    tests = [name.removeprefix("test_") for name in vars(PoolContract) if name.startswith("test_")]
    assert any(fails(Suite(), name) for name in tests)


# Policies.


class Simple(QueuePolicy):
    """Starts what fits."""

    name = "simple"

    def schedule(self, pass_):
        for job in pass_.pending:
            pass_.start(job)
            yield


class Idle(Simple):
    def schedule(self, pass_):
        yield from ()


class ForgetsOne(Simple):
    def schedule(self, pass_):
        for job in pass_.pending:
            if job.jobid != 2:
                pass_.start(job)
            yield


class Endless(Simple):
    def schedule(self, pass_):
        while True:
            yield


class Moody(Simple):
    """Decides by what happened in other simulations."""

    mood = 0

    def schedule(self, pass_):
        Moody.mood += 1
        jobs = list(pass_.pending)
        for job in jobs if Moody.mood % 2 else reversed(jobs):
            pass_.start(job)
            yield


class Forgetful(Simple):
    """Has a state that a replay does not bring back: it counts the passes of all engines."""

    passes = 0

    def schedule(self, pass_):
        Forgetful.passes += 1
        if Forgetful.passes % 3:
            yield from super().schedule(pass_)


class Silent(Simple):
    """Starts one job a pass, and does not say why not the others."""

    def schedule(self, pass_):
        for job in pass_.pending:
            yield
            if pass_.start(job):
                return


class Speechless(Simple):
    __doc__ = None

    @frozen
    class Config:
        depth: int = option(1)


POLICIES = {
    Idle: "every_job_runs_once_and_to_its_end",
    ForgetsOne: "every_job_runs_once_and_to_its_end",
    Endless: "every_job_runs_once_and_to_its_end",
    Moody: "same_input_same_bytes",
    Forgetful: "replay_leads_to_the_same_state",
    Silent: "every_job_that_waits_is_told_why",
    Speechless: "it_can_be_registered",
}


def suite_of(chosen):
    class Suite(PolicyContract):
        policy = chosen

        def settings(self):
            return quick(60)

    return Suite()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fault_of_a_policy_is_found(policy):
    assert fails(suite_of(policy), POLICIES[policy])


class TestSimple(PolicyContract):
    """The one that the others spoil has no fault."""

    policy = Simple
