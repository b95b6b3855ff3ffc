"""Pending jobs that go to another queue: what they leave behind, and where they come in. The bench checks the engine after every event."""

from __future__ import annotations

import pytest

from fluxplug.engine import events as ev
from fluxplug.engine.moves import EngineError

from .conftest import request_of

TWO = {"a": ("conservative", None), "b": ("conservative", None)}


def move(time, jobid, queue, cores, limit=10.0, **fields):
    return ev.SetQueue(time, jobid, queue, request_of(cores, limit), **fields)


def test_the_log_and_the_place(bench):
    """RFC 21: `jobspec-update` leads back to PRIORITY; who was submitted first goes first in the other queue too."""
    run = bench(queues={"a": ("fcfs", None), "b": ("fcfs", None)}, priority=lambda job: 7 if job.queue == "b" else 5)
    run(run.submit(0, 1, 4, 10.0, queue="a"))
    run(run.submit(1, 2, 4, 10.0, queue="a"))
    run(run.submit(2, 3, 4, 10.0, queue="b"))
    run(
        move(3, 2, "b", 4, updates={"attributes.system.queue": "b"}, jobspec={"attributes": {"system": {"queue": "b"}}})
    )
    assert run.contexts(2)[4:] == [("jobspec-update", {"attributes.system.queue": "b"}), ("priority", {"priority": 7})]
    assert (run.job(2).submitted, run.job(2).queue) == (1, "b")
    assert run.job(2).jobspec == {"attributes": {"system": {"queue": "b"}}}
    assert run(ev.Ended(10, 1)) == [2]
    assert run(ev.Ended(20, 2)) == [3]


def test_it_starts_where_it_fits(bench):
    run = bench(queues={"a": ("fcfs", None), "b": ("fcfs", None)})
    run(
        run.submit(0, 1, 3, 10.0, queue="a"), run.submit(0, 2, 2, 10.0, queue="a"), run.submit(0, 3, 1, 10.0, queue="a")
    )
    assert run(move(1, 3, "b", 1)) == [3]
    assert run(ev.Ended(10, 1)) == [2]


def test_a_promise_is_given_up_and_others_get_it(bench):
    run = bench(queues=TWO)
    run(run.submit(0, 1, 4, 10.0, queue="a"))
    run(run.submit(1, 2, 4, 10.0, queue="a"))
    run(run.submit(2, 3, 4, 10.0, queue="b"))
    assert [run.job(jobid).reserved for jobid in (2, 3)] == [10, 20]
    run(move(5, 2, "b", 4))
    assert [run.job(jobid).reserved for jobid in (2, 3)] == [20, 10], "who had a promise there is before it"
    assert not run.engine.queues["a"].dues, "nothing is due in the queue that it left"
    run(run.submit(6, 4, 4, 10.0, queue="a"))
    assert run(ev.Ended(10, 1)) == [3]
    assert run(ev.Ended(20, 3)) == [2]
    assert run(ev.Ended(30, 2)) == [4]


def test_to_the_same_queue_with_another_limit(bench):
    run = bench(queues=TWO)
    run(run.submit(0, 1, 4, 10.0, queue="a"), run.submit(0, 2, 4, 10.0, queue="a"), run.submit(0, 3, 1, 9.0, queue="a"))
    run(move(1, 2, "a", 1, 99.0))
    assert run.job(2).limit == 99.0
    assert run(ev.Ended(10, 1)) == [2, 3]


def test_jobs_that_are_in_no_queue(bench):
    run = bench(nodes=2, queues=TWO)
    waiting = run.submit(0, 1, 1, 10.0, queue="a", dependencies=("after:f9",))
    held = run.submit(0, 2, 1, 10.0, queue="a", urgency=0)
    run(waiting, held, run.submit(0, 3, 1, 10.0, queue="a"), ev.Suspend(0, 3))
    run(ev.NodesDown(1, "1"), run.submit(1, 4, 2, 10.0, queue="a"))
    assert run.job(4).parked
    for jobid, cores in ((1, 1), (2, 1), (3, 1), (4, 2)):
        assert run(move(2, jobid, "b", cores)) == []
        assert run.job(jobid).queue == "b"
    assert run.names(1)[3:] == ["jobspec-update"]
    assert run(ev.DependencyMet(3, 1, "after:f9")) == [1]
    assert run(ev.NodesUp(4, "1"), ev.Suspend(4, 3, on=False)) == [3]
    assert run(ev.SetUrgency(5, 2, 16)) == []
    assert run(ev.Ended(13, 1)) == [], "another was promised both nodes before"
    assert run(ev.Ended(14, 3)) == [4]
    assert run(ev.Ended(24, 4)) == [2]


def test_what_cannot_be(bench):
    run = bench(queues=TWO)
    run(run.submit(0, 1, 4, 10.0, queue="a"), run.submit(0, 2, 4, 10.0, queue="a"))
    before = run.engine.snapshot()
    for event, text in (
        (move(1, 1, "b", 4), "has its resources"),
        (move(1, 2, "c", 4), "no queue 'c'"),
        (move(1, 9, "b", 4), "no active job"),
        (move(1, 2, "b", 5), "unsatisfiable request"),
    ):
        with pytest.raises(EngineError, match=text):
            run.engine.handle(event)
        assert run.engine.snapshot() == before


def test_without_logs(bench):
    run = bench(queues=TWO, log=False)
    run(run.submit(0, 1, 4, 10.0, queue="a"), run.submit(0, 2, 4, 10.0, queue="a"))
    run(move(1, 2, "b", 1))
    assert (run.log, run.job(2).queue) == ([], "b")
