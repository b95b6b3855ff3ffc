"""The simulator: the order of an instant, stopping and going on, what the schedule tells, and what comes from outside."""

from __future__ import annotations

import io
import math

import pytest
from fluxplug_policy_backfill import Conservative, Easy
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.clock import ManualClock
from fluxplug.engine.engine import Engine
from fluxplug.errors import RefusedError
from fluxplug.sim.metrics import metrics
from fluxplug.sim.outages import Cancel, ChangeLimit, ChangePriority, Outage
from fluxplug.sim.schedule import Schedule
from fluxplug.sim.simulator import Simulator
from fluxplug.sim.trace import TraceJob
from fluxplug.testing import R, jobspec
from fluxplug.testing.scenarios import scenario
from fluxplug.testing.strategies import machines, workloads
from fluxplug.values.idset import IDset


def job(number, submit, width, limit, run=None, *, actual=None):
    run = limit if run is None else run
    return TraceJob(number, submit, run, limit, width, width, jobspec(width), False, None, actual)


def down(time, ranks, *, drain=False):
    return Outage(time, False, IDset(ranks), drain)


def up(time, ranks):
    return Outage(time, True, IDset(ranks))


class Admission:
    """Parses with the pool; refuses jobs wider than 100 cores."""

    def __init__(self, pool):
        self.pool = pool

    def admit(self, job):
        if job.width > 100:
            raise RefusedError("too much")
        return "", self.pool.parse_resource_request(job.jobspec).with_duration(job.limit), job.width


def simulator(jobs, outside=(), *, policy=Fcfs, nodes=4, log=False, **options):
    clock = ManualClock()
    pool = Rv1Pool(R(nodes), clock=clock)
    engine = Engine(pool, {"": (policy(), None)}, clock=clock, log=log)
    return Simulator(engine, Admission(pool), jobs, outside, schedule=Schedule("x", nodes, nodes), **options)


def rows(schedule):
    return [
        (number, None if math.isnan(start) else start, None if math.isnan(end) else end, outcome)
        for number, start, end, outcome in zip(
            schedule.job, schedule.start, schedule.end, schedule.outcome, strict=True
        )
    ]


class TestAnInstant:
    def test_ends_come_before_submissions(self):
        done = simulator([job(1, 0, 4, 10), job(2, 10, 4, 5)]).run()
        assert rows(done) == [(1, 0, 10, "completed"), (2, 10, 15, "completed")]

    def test_ends_come_before_failures(self):
        done = simulator([job(1, 0, 4, 10)], [down(10, "0-3")]).run()
        assert rows(done) == [(1, 0, 10, "completed")]

    def test_failures_come_before_submissions(self):
        done = simulator([job(1, 10, 4, 5)], [down(10, "0"), up(20, "0")]).run()
        assert rows(done) == [(1, 20, 25, "completed")]

    def test_what_comes_from_outside_comes_in_its_order(self):
        done = simulator([job(1, 10, 4, 5)], [down(10, "0"), up(10, "0")]).run()
        assert rows(done) == [(1, 10, 15, "completed")]

    def test_submissions_come_in_the_order_of_the_log(self):
        done = simulator([job(9, 0, 3, 10), job(5, 0, 3, 10), job(7, 0, 1, 10)]).run()
        assert rows(done) == [(9, 0, 10, "completed"), (5, 10, 20, "completed"), (7, 10, 20, "completed")]

    def test_one_pass(self):
        """2 is submitted at the instant at which 1 ends early; together they are one instant."""
        run = simulator([job(1, 0, 4, 10, 5), job(2, 5, 4, 1), job(3, 5, 4, 1)], policy=Conservative)
        run.run()
        assert run.instants == len({0, 5, 6, 7})

    def test_a_promise_is_an_instant(self):
        """s moved forward and left a hole; nothing but the promise to f happens at 20."""
        jobs = [job(1, 0, 3, 10, 4), job(2, 0, 1, 20, 4), job(3, 1, 4, 10), job(4, 2, 1, 10)]
        run = simulator(jobs, policy=Conservative)
        run.run(until=19)
        assert run.next_instant() == 20
        assert rows(run.run())[2] == (3, 20, 30, "completed")

    def test_fractions(self):
        done = simulator([job(1, 0.5, 4, 2.25), job(2, 1, 4, 1)]).run()
        assert rows(done) == [(1, 0.5, 2.75, "completed"), (2, 2.75, 3.75, "completed")]

    def test_jobs_of_no_time(self):
        done = simulator([job(1, 3, 4, 10, 0), job(2, 3, 4, 10, 0), job(3, 3, 4, 10)]).run()
        assert [row[1:3] for row in rows(done)] == [(3, 3), (3, 3), (3, 13)]

    def test_nothing_at_all(self):
        run = simulator([])
        assert run.next_instant() == math.inf
        assert rows(run.run()) == []
        assert run.instants == 0


class TestGoingOn:
    jobs = (job(1, 0, 3, 10), job(2, 1, 4, 5), job(3, 2, 1, 5), job(4, 30, 1, 1))

    def test_until(self):
        run = simulator(self.jobs, policy=Easy)
        assert rows(run.run(until=6)) == [(1, 0, None, "running"), (2, None, None, "pending"), (3, 2, None, "running")]
        assert run.engine.now == 2
        assert run.next_instant() == 7
        run.run(until=7)
        assert rows(run.schedule)[2] == (3, 2, 7, "completed")
        assert run.row(2) == {"submit": 1, "start": None, "end": None, "width": 4, "limit": 5, "outcome": "pending"}
        assert run.row(4) is None
        run.run_until_submitted(4)
        assert run.row(4)["start"] == 30
        assert run.row(2)["end"] == 15
        run.run_until_submitted(77)
        assert run.row(77) is None

    @pytest.mark.parametrize("policy", [Fcfs, Easy, Conservative])
    def test_in_steps_as_at_once(self, policy):
        whole, stepped = simulator(self.jobs, policy=policy), simulator(self.jobs, policy=policy)
        while stepped.next_instant() < math.inf:
            stepped.run(until=stepped.next_instant())
        assert rows(whole.run()) == rows(stepped.schedule)
        assert whole.instants == stepped.instants

    def test_progress_counts_every_job(self):
        told = []
        jobs = [job(number, number, 1, 1) for number in range(1, 2501)]
        simulator(jobs).run(progress=told.append)
        assert sum(told) == 2500
        assert len(told) > 2

    def test_jobs_are_read_as_they_come(self):
        def stream():
            yield job(1, 0, 1, 1)
            yield job(2, 5, 1, 1)
            raise AssertionError("read too far")

        run = simulator(stream())
        run.run(until=4)
        assert len(run.schedule) == 1


class TestOutcomes:
    def test_of_every_kind(self):
        jobs = [
            job(1, 0, 1, 10),
            job(2, 0, 1, 10)._replace(killed=True),
            job(3, 0, 1, 10),
            job(4, 0, 1, 10),
            job(5, 1, 4, 10),
            job(6, 1, 101, 10),
            job(7, 1, 5, 10),
        ]
        done = simulator(jobs, [Cancel(3, 4), down(4, "2"), Cancel(5, 5)]).run()
        assert [row[3] for row in rows(done)] == [
            "completed", "timeout", "failed", "cancelled", "cancelled", "refused", "refused"
        ]  # fmt: skip
        assert [row[1:3] for row in rows(done)][2:] == [(0, 4), (0, 3), (None, None), (None, None), (None, None)]
        assert done.notes["refused: too much"] == 1
        assert done.refusals == {6: "too much"}

    def test_what_waits_for_ever_is_pending(self):
        done = simulator([job(1, 0, 4, 10)], [down(0, "3")]).run()
        assert rows(done) == [(1, None, None, "pending")]

    def test_ranks_where_they_are_wanted(self):
        jobs = [job(1, 0, 2, 10), job(2, 0, 2, 5), job(3, 1, 3, 5)]
        assert list(simulator(jobs, keep_ranks=True).run().ranks) == ["0-1", "2-3", "0-2"]
        assert list(simulator(jobs).run().ranks) == ["", "", ""]

    def test_down_times(self):
        outside = [down(2, "0-1"), down(3, "1,3", drain=True), up(5, "1"), down(7, "1"), up(9, "0")]
        done = simulator([job(1, 0, 1, 10)], outside).run()
        assert sorted(done.down) == [(0, 2, 9), (1, 2, 5), (1, 7, math.inf), (3, 3, math.inf)]


class TestChanges:
    def test_a_shorter_limit_ends_a_job(self):
        done = simulator([job(1, 0, 4, 10), job(2, 1, 4, 5)], [ChangeLimit(3, 1, 6)]).run()
        assert rows(done) == [(1, 0, 6, "timeout"), (2, 6, 11, "completed")]
        assert done.limit[0] == 6

    def test_a_limit_that_has_passed_ends_it_at_once(self):
        done = simulator([job(1, 0, 4, 10), job(2, 1, 4, 5)], [ChangeLimit(3, 1, 2)]).run()
        assert rows(done) == [(1, 0, 3, "timeout"), (2, 3, 8, "completed")]

    def test_a_longer_limit_lets_it_run_on(self):
        killed = job(1, 0, 4, 10, actual=25)._replace(killed=True)
        assert rows(simulator([killed]).run()) == [(1, 0, 10, "timeout")]
        assert rows(simulator([killed], [ChangeLimit(3, 1, 20)]).run()) == [(1, 0, 20, "timeout")]
        assert rows(simulator([killed], [ChangeLimit(3, 1, 30)]).run()) == [(1, 0, 25, "completed")]
        assert rows(simulator([killed], [ChangeLimit(3, 1, 0)]).run()) == [(1, 0, 25, "completed")]

    def test_back_and_forth(self):
        done = simulator([job(1, 0, 4, 10)], [ChangeLimit(2, 1, 5), ChangeLimit(3, 1, 30), ChangeLimit(4, 1, 8)]).run()
        assert rows(done) == [(1, 0, 8, "timeout")]

    def test_of_a_waiting_job(self):
        done = simulator([job(1, 0, 4, 10), job(2, 1, 4, 5)], [ChangeLimit(3, 2, 2)]).run()
        assert rows(done)[1] == (2, 10, 12, "timeout")

    def test_priority(self):
        jobs = [job(1, 0, 4, 10), job(2, 1, 4, 5), job(3, 1, 4, 5)]
        done = simulator(jobs, [ChangePriority(2, 3, 17), ChangePriority(3, 1, 99)]).run()
        assert [row[1] for row in rows(done)] == [0, 15, 10]

    def test_cancelled_and_ended_at_one_instant(self):
        done = simulator([job(1, 0, 4, 10), job(2, 1, 4, 5)], [Cancel(10, 1)]).run()
        assert rows(done) == [(1, 0, 10, "completed"), (2, 10, 15, "completed")]
        assert done.notes["events for jobs not active"] == 1

    def test_too_early_and_too_late(self):
        done = simulator([job(1, 5, 4, 1)], [Cancel(1, 1), ChangeLimit(20, 1, 3), ChangePriority(20, 1, 3)]).run()
        assert rows(done) == [(1, 5, 6, "completed")]
        assert done.notes["events for jobs not active"] == 3

    def test_a_job_that_lost_its_node_ends_once(self):
        done = simulator(
            [job(1, 0, 2, 10), job(2, 1, 4, 5)], [down(3, "0"), down(3, "1"), up(4, "0-1"), Cancel(4, 1)]
        ).run()
        assert rows(done) == [(1, 0, 3, "failed"), (2, 4, 9, "completed")]


def test_the_log_of_a_run():
    entries = []
    simulator([job(1, 0, 4, 10, 3), job(2, 1, 4, 5)], [Cancel(2, 2)], log=True, record=entries.append).run()
    told = [(entry.time, entry.jobid, entry.name) for entry in entries]
    assert [name for _, number, name in told if number == 1] == [
        "submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"
    ]  # fmt: skip
    assert [name for _, number, name in told if number == 2][-2:] == ["exception", "clean"]
    assert [time for time, *_ in told] == sorted(time for time, *_ in told)
    assert {entry.context["status"] for entry in entries if entry.name == "finish"} == {0}


@st.composite
def histories(draw):
    machine = draw(machines(nodes=(1, 4)))
    return machine, draw(workloads(machine, priorities=True, cancels=True, changes=True, outages=True))


def text_of(machine, steps, policy):
    """Everything that a run can write."""
    done = scenario(machine=machine, policy=policy).play(steps).run()
    stream = io.StringIO()
    done.schedule.write_csv(stream, ("limit", "outcome", "queue", "ranks"))
    return stream.getvalue(), repr(metrics(done.schedule)), repr(done.engine.log), repr(done.engine.events)


@pytest.mark.parametrize("policy", ["fcfs", "easy", "conservative", "hybrid"])
@settings(max_examples=25, deadline=None)
@given(histories())
def test_same_input_same_bytes(policy, history):
    assert text_of(*history, policy) == text_of(*history, policy)
