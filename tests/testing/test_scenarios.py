"""Scenarios: what they say is what happens, and wrong books are told."""

from __future__ import annotations

import pytest
from attrs import frozen

from fluxplug.errors import PluginError
from fluxplug.policy import QueuePolicy
from fluxplug.testing import FlatPool, R, Scenario, Step, jobspec, scenario


class Starts(QueuePolicy):
    """Starts what fits."""

    name = "starts"

    @frozen
    class Config:
        most: int = 100

    def schedule(self, pass_):
        for job in pass_.pending:
            if job.jobid <= self.config.most:
                pass_.start(job)
            yield


def test_five_lines():
    s = scenario(nodes=4, cores=1, policy="easy")
    s.job("a", width=3, limit=10)
    s.job("b", width=4, limit=5, at=1)
    s.run()
    assert s.starts == {"a": 0, "b": 10}
    assert s.submits == {"a": 0, "b": 1}
    assert s.ends == {"a": 10, "b": 15}
    assert s.outcomes == {"a": "completed", "b": "completed"}
    assert s.ranks == {"a": "0-2", "b": "0-3"}
    assert s.promises == {"b": [(1, 10)]}


def test_jobs_may_end_early_and_at_their_limit():
    s = scenario(cores=1, policy=Starts, pool=FlatPool)
    s.job("early", limit=10, run=3)
    s.job("late", limit=10, run=30)
    s.job("unlimited", run=5)
    s.run()
    assert s.ends == {"early": 3, "late": 13, "unlimited": 18}
    assert s.outcomes == {"early": "completed", "late": "timeout", "unlimited": "completed"}


def test_what_happens_to_nodes():
    s = scenario(nodes=2, policy=Starts)
    s.job("a", limit=10)
    s.job("b", limit=10, at=1)
    s.job("c", limit=10, at=6)
    s.down("0", at=5)
    s.up("0", at=30)
    s.drain("1", at=7)
    s.up("1", at=20)
    s.run()
    assert s.outcomes == {"a": "failed", "b": "completed", "c": "completed"}
    assert s.starts == {"a": 0, "b": 1, "c": 20}
    assert s.ends["a"] == 5
    assert s.schedule.down == [(1, 7, 20), (0, 5, 30)]


def test_what_happens_to_jobs():
    s = scenario(policy=Starts, pool=FlatPool)
    for name in "abcd":
        s.job(name, limit=10)
    s.cancel("a", at=3)
    s.priority("d", 20, at=1)
    s.limit("b", 4, at=2)
    s.cancel("c", at=5)
    s.run()
    assert s.outcomes == {"a": "cancelled", "b": "timeout", "c": "cancelled", "d": "completed"}
    assert s.starts == {"a": 0, "d": 3, "b": 13}


def test_priorities_from_the_beginning():
    s = scenario(policy=Starts, pool=FlatPool)
    s.job("a", limit=10)
    s.job("b", limit=10, priority=0)
    s.job("c", limit=10, priority=17)
    s.run()
    assert list(s.starts.values()) == [10, 20, 0]


def test_several_queues():
    s = scenario(cores=2, queues={"one": "fcfs", "two": Starts}, pool=FlatPool)
    s.job("a", width=2, limit=10, queue="two")
    s.job("b", limit=10, queue="one")
    s.job("c", limit=10)  # the first queue is the default
    s.run()
    assert s.starts == {"a": 10, "b": 0, "c": 0}
    assert s.schedule.queue == ["two", "one", ""]


def test_a_bounded_look():
    s = scenario(cores=3, policy=Starts, depth=1, pool=FlatPool)
    s.job("a", width=3, limit=10)
    s.job("b", width=3, limit=10)
    s.job("c", width=1, limit=10)
    s.run()
    assert s.starts == {"a": 0, "b": 10, "c": 20}


def test_a_machine_of_its_own_and_any_request():
    s = scenario(machine=R(2, cores=4, gpus=[0, 1], properties={"big": "1"}), policy="fcfs")
    s.job("a", nodes=1, slots=2, cores=2, constraint={"properties": ["big"]}, limit=5)
    s.job("b", jobspec=jobspec(gpus=1), limit=5)
    s.job("c", width=100, limit=5)
    s.job("d", jobspec={"resources": [{"type": "slot", "count": 1, "with": [{"type": "core"}]}], "version": 9}, run=1)
    s.run()
    assert s.ranks == {"a": "1", "b": "1", "d": "0"}
    assert s.outcomes["c"] == "refused"


def test_it_stops_and_goes_on():
    s = scenario(policy="fcfs", pool=FlatPool)
    s.job("a", limit=10)
    s.job("b", limit=10)
    with pytest.raises(ValueError, match="has not begun"):
        s.next_instant()
    s.run(until=5)
    assert s.outcomes == {"a": "running", "b": "pending"}
    assert s.next_instant() == 10
    told = s.explain("b")
    assert (told.reason, told.estimate) == ("policy", None) or told.estimate == 10
    s.run()
    assert s.explain("b") is None
    assert s.next_instant() == float("inf")


def test_a_chart():
    s = scenario(nodes=4, policy="easy")
    s.job("a", width=3, limit=10)
    s.job("longer", width=4, limit=5, at=1)
    assert str(s.run()).splitlines() == [
        "easy, 4 cores, from 0 to 15",
        "a        3  ##########",
        "longer   4   .........#####",
    ]
    s = scenario(cores=1, policy="fcfs")
    s.job("a", limit=6000)
    assert str(s.run()).splitlines()[1] == "a   1  " + "#" * 60
    assert str(scenario()) == "fcfs, 1 cores, from 0 to 0"


def test_its_source_is_itself():
    s = scenario(nodes=2, policy=Starts, params={"most": 1}, depth=3, pool=FlatPool, cores=0, machine=R(1, 4))
    s.job("a", limit=5, run=0.5, priority=0)
    s.job("b", width=3, limit=5, at=2, queue="")
    s.down("0", at=1)
    s.up("0", at=3)
    s.cancel("a", at=1)
    s.limit("a", 3.5, at=1)
    s.priority("a", 1, at=1)
    again = {}
    exec(s.source(), {"scenario": scenario, "Starts": Starts, "FlatPool": FlatPool}, again)  # noqa: S102
    assert again["s"].source() == s.source()
    assert again["s"].starts == s.run().starts == {"a": 0}
    assert s.outcomes["b"] == "pending"


def test_calls_that_were_written_down():
    steps = [Step("job", {"name": "a", "limit": 5}), Step("cancel", {"name": "a", "at": 2})]
    s = scenario(pool=FlatPool).play(steps)
    assert isinstance(s, Scenario)
    assert s.steps == steps
    assert s.run().ends == {"a": 2}
    assert repr(steps[1]) == "s.cancel('a', at=2)"


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda s: s.job("a", limit=1), "there is a job 'a' already"),
        (lambda s: s.job("b"), "job 'b' needs limit=, or run= greater than 0"),
        (lambda s: s.job("b", limit=1, run=-1), "job 'b' needs"),
        (lambda s: s.cancel("c", at=1), "there is no job 'c'; there are: a"),
        (lambda s: s.explain("c"), "there is no job 'c'"),
        (lambda s: s.run().job("b", limit=1), "the scenario has begun"),
        (lambda s: s.run().up("0", at=1), "the scenario has begun"),
    ],
)
def test_mistakes(mistake, told):
    s = scenario(pool=FlatPool)
    s.job("a", limit=1)
    with pytest.raises(ValueError, match=told):
        mistake(s)


def test_names_that_are_not_installed():
    with pytest.raises(PluginError, match="no queue policy is named 'esay'; did you mean 'easy'"):
        scenario(policy="esay")
    with pytest.raises(PluginError, match="no pool is named 'rv2'"):
        scenario(pool="rv2")
    with pytest.raises(TypeError, match="policy 'fcfs' has no parameters"):
        scenario(policy="fcfs", params={"depth": 1})
    with pytest.raises(TypeError, match="deep"):
        scenario(policy=Starts, params={"deep": 1})


class Miscounts(FlatPool):
    def free(self, jobid, R=None, final=False):  # noqa: N803
        super().free(jobid, R, final)
        self.held += 1


def test_wrong_books_are_told_at_once():
    s = scenario(cores=2, pool=Miscounts)
    s.job("a", limit=5)
    s.job("b", limit=7)
    with pytest.raises(AssertionError, match="oversubscribed"):
        s.run()
    assert s.clock.time == 5
    assert s.engine.history[-1][0].jobid == 1
