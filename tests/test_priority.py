"""What puts a priority plugin to work: who is asked, who is not, what is told, and what is checked."""

from __future__ import annotations

import pytest

from fluxplug.clock import ManualClock
from fluxplug.engine.engine import PRIORITY_MAX, Engine, by_urgency
from fluxplug.engine.events import Pass, SetPriority, SetUrgency, Submit
from fluxplug.errors import DocumentError, PluginError
from fluxplug.policy import QueuePolicy
from fluxplug.priority import Priorities, PriorityPlugin, PrioritySite, Urgency
from fluxplug.resource.factory import ResourcePool
from fluxplug.testing import R, jobspec


class Fcfs(QueuePolicy):
    name = "fcfs"

    def schedule(self, pass_):
        for job in pass_.pending:
            if not pass_.start(job):
                return
            yield


class Age(PriorityPlugin):
    name = "age"
    interval = 10.0

    def priority(self, job, now):
        return 1000 + int(now - job.submitted)


class Watching(Age):
    def started(self, job, now):
        pass


class Fixed(Age):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def priority(self, job, now):
        return self.answer


@pytest.fixture
def start():
    """An engine with so many one-core jobs, submitted at 0, 1, ..., on a machine of one core, and its priorities."""

    def start(plugin, jobs=0, **more):
        clock = ManualClock()
        pool = ResourcePool(R(1), clock=clock)
        pool.mark_up("all")
        priorities = Priorities(plugin, clock, **more)
        engine = Engine(pool, {"": (Fcfs(), None)}, clock=clock, priority=priorities.function)
        for jobid in range(jobs):
            engine.handle(Submit(float(jobid), jobid, pool.parse_resource_request(jobspec())))
        return engine, priorities

    return start


def test_changes_bring_pending_jobs_up_to_date(start):
    engine, priorities = start(Age(), 3)
    assert {job.jobid: job.priority for job in engine.jobs.values()} == dict.fromkeys(range(3), 1000)
    assert priorities.interval == 10.0
    changes = priorities.changes(engine.jobs.values(), 10.0)
    assert changes == [SetPriority(10.0, 0, 1010), SetPriority(10.0, 1, 1009), SetPriority(10.0, 2, 1008)]
    for change in changes:
        engine.handle(change)
    assert priorities.changes(engine.jobs.values(), 10.0) == []
    engine.check()


def test_running_jobs_are_left_alone(start):
    engine, priorities = start(Age(), 2)
    engine.handle(Pass(1.0))
    assert set(engine.running) == {0}
    assert [change.jobid for change in priorities.changes(engine.jobs.values(), 7.0)] == [1]


def test_held_and_expedited_jobs_are_nobodys_to_judge(start):
    engine, priorities = start(Fixed(7), 2)
    engine.handle(SetUrgency(2.0, 0, 0))
    engine.handle(SetUrgency(2.0, 1, 31))
    assert [job.priority for job in engine.jobs.values()] == [0, PRIORITY_MAX]
    assert priorities.changes(engine.jobs.values(), 3.0) == []


def test_the_hook_goes_first(start):
    engine, _ = start(Age(), 2, first=lambda job: 5 if job.jobid else None)
    assert [job.priority for job in engine.jobs.values()] == [1000, 5]


@pytest.mark.parametrize("answer", [-1, 2**32, 1.0, True, None, "x"])
def test_no_priority(start, answer):
    with pytest.raises(
        PluginError, match=r"^priority plugin 'age' of the site: priority returned .*; it has to return an"
    ):
        start(Fixed(answer), 1, owner="the site")


def test_the_urgency_is_the_engines_own():
    made = Priorities(Urgency(), ManualClock())
    assert made.function is by_urgency
    assert (made.interval, made.watches) == (None, False)
    hooked = Priorities(Urgency(), ManualClock(), lambda _: None)
    assert hooked.function is hooked


def test_who_is_to_be_told():
    assert not Priorities(Age(), ManualClock()).watches
    assert Priorities(Watching(), ManualClock()).watches


def test_by_default_there_is_nothing_to_remember():
    plugin = Age()
    assert plugin.state() == {}
    plugin.restore({})
    with pytest.raises(DocumentError, match="'age' keeps none"):
        plugin.restore({"usage": 1})
    assert plugin.site == PrioritySite()
