"""Every reason why a job may wait, and the start estimates: as a scenario of a few jobs each."""

from __future__ import annotations

import pytest

from fluxplug.engine import events as ev
from fluxplug.engine.explain import estimates, explain
from fluxplug.testing.builders import R, jobspec


def reason(run, jobid):
    found = explain(run.engine, jobid)
    return found.reason, found.text


class TestReasons:
    def test_running(self, bench):
        run = bench()
        run(run.submit(3, 1, 2, 10.0))
        assert reason(run, 1) == ("running", "running since 3")
        run(ev.Cancel(4, 1))
        assert reason(run, 1) == ("running", "being stopped after an exception (cancel)")

    def test_over_or_unknown(self, bench):
        run = bench()
        run(run.submit(0, 1, 2, 10.0))
        run(ev.Ended(10, 1))
        assert explain(run.engine, 1) is None
        assert explain(run.engine, 2) is None

    def test_resources(self, bench):
        run = bench("easy")
        run(run.submit(0, 1, 3, 10.0), run.submit(0, 2, 2, 5.0))
        assert reason(run, 2) == ("resources", "job 2 needs 2 cores, and of 4 3 are held; promised from 10 on")

    def test_resources_with_some_down(self, bench):
        run = bench("fcfs", nodes=4)
        run(ev.NodesDown(0, "3"))
        run(run.submit(0, 1, 3, 10.0), run.submit(0, 2, 1, 5.0))
        assert reason(run, 2) == ("resources", "job 2 needs 1 core, and of 4 3 are held, 1 down")

    def test_reservation(self, bench):
        run = bench("easy")
        run(run.submit(0, 1, 3, 10.0), run.submit(0, 2, 4, 5.0), run.submit(0, 3, 1, 11.0), run.submit(0, 4, 1, 0.0))
        told = "would delay the reservation of job 2 at 10: its resources are free for 10 s, and "
        assert reason(run, 3) == ("reservation", told + "its limit of 11 s is longer")
        assert reason(run, 4) == ("reservation", told + "having no time limit, it is longer")

    def test_reservation_where_the_pool_knows_no_room(self, bench):
        """Parts of nodes: the pool has only said no."""
        run = bench("easy", machine=R(2, 4))
        whole, part = jobspec(nodes=2, exclusive=True, limit=5), jobspec(nodes=1, cores=2, limit=50)

        def submit(jobid, spec):
            return ev.Submit(0, jobid, run.pool.parse_resource_request(spec))

        run(submit(1, jobspec(nodes=1, cores=1, limit=10)), submit(2, whole), submit(3, part))
        assert reason(run, 3) == ("reservation", "would delay a reservation")

    def test_policy(self, bench):
        run = bench("fcfs")
        run(run.submit(0, 1, 3, 10.0), run.submit(0, 2, 2, 5.0), run.submit(0, 3, 1, 5.0))
        behind = "behind job 2: under fcfs nobody overtakes; job 2 needs 2 cores, and of 4 3 are held"
        assert reason(run, 3) == ("policy", behind)

    def test_depth(self, bench):
        run = bench("easy", depth=2)
        run(run.submit(0, 1, 3, 10.0), *(run.submit(0, number, 4, 5.0) for number in (2, 3, 4)))
        assert reason(run, 4) == ("depth", "2 jobs are ahead of it, and a pass looks at 2 (queue-depth)")

    def test_down(self, bench):
        run = bench("easy", nodes=2)
        run(ev.NodesDown(0, "1"))
        run(run.submit(0, 1, 2, 10.0), run.submit(0, 2, 1, 10.0), run.submit(0, 3, 1, 10.0), run.submit(0, 4, 2, 10.0))
        told = ("down", "needs nodes that are down (1 down); it does not hold others back")
        assert reason(run, 1) == reason(run, 4) == told, "parked, and not looked at yet"

    def test_unlimited(self, bench):
        run = bench("easy")
        run(run.submit(0, 1, 3, 0.0), run.submit(0, 2, 4, 10.0))
        assert reason(run, 2) == ("unlimited", "waits for jobs that have no time limit; it does not hold others back")

    def test_held(self, bench):
        run = bench()
        run(run.submit(0, 1, 1, 10.0, urgency=0))
        assert reason(run, 1) == ("held", "held: its urgency is 0")

    def test_dependency(self, bench):
        run = bench()
        run(run.submit(0, 1, 1, 10.0, dependencies=("b", "a")))
        assert reason(run, 1) == ("dependency", "waits for a, b")

    def test_before_the_pass(self, bench):
        run = bench("easy")
        run.engine.handle(run.submit(0, 1, 1, 10.0))
        assert reason(run, 1) == ("pass", "could start: the next pass decides")

    def test_a_policys_own_words(self, bench):
        run = bench("easy")
        run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 5.0))
        run.job(2).note = "not on a Sunday"
        assert reason(run, 2) == ("policy", "not on a Sunday")


class TestEstimates:
    def starts(self, run):
        return dict(estimates(run.engine))

    @pytest.mark.parametrize("policy", ["easy", "hybrid-2", "conservative"])
    def test_a_plan_to_the_end_of_the_queue(self, bench, policy):
        run = bench(policy)
        run(run.submit(0, 1, 3, 10.0), *(run.submit(0, number, 2, 5.0) for number in (2, 3, 4)))
        run(run.submit(1, 5, 3, 20.0))
        assert self.starts(run) == {2: 10, 3: 10, 4: 15, 5: 20}

    def test_under_fcfs_in_order(self, bench):
        run = bench("fcfs")
        run(run.submit(0, 1, 3, 10.0), run.submit(0, 2, 2, 5.0), run.submit(0, 3, 1, 1.0))
        assert self.starts(run) == {2: 10, 3: 10}

    def test_none_behind_one_that_nobody_can_foresee(self, bench):
        run = bench("fcfs")
        run(run.submit(0, 1, 3, 0.0), run.submit(0, 2, 2, 5.0), run.submit(0, 3, 1, 1.0))
        assert self.starts(run) == {2: None, 3: None}

    def test_ends_at_the_job_that_was_asked_for(self, bench):
        run = bench("fcfs")
        run(run.submit(0, 1, 4, 10.0), *(run.submit(0, number, 4, 5.0) for number in range(2, 9)))
        assert explain(run.engine, 4).estimate == 20
        assert (explain(run.engine, 4).position, explain(run.engine, 4).state) == (3, "SCHED")

    def test_nothing_is_changed_by_asking(self, bench):
        run = bench("easy")
        run(run.submit(0, 1, 3, 10.0), *(run.submit(0, number, 2, 5.0) for number in (2, 3, 4)))
        before, generation = run.engine.snapshot(), run.pool.generation
        for number in range(1, 5):
            explain(run.engine, number)
        assert (run.engine.snapshot(), run.pool.generation) == (before, generation)
        run.engine.check()

    def test_queues_are_planned_in_their_order(self, bench):
        run = bench(queues={"a": ("fcfs", None), "b": ("easy", None)})
        run(run.submit(0, 1, 4, 10.0, queue="b"))
        run(run.submit(1, 2, 4, 5.0, queue="b"), run.submit(1, 3, 4, 5.0, queue="a"))
        assert self.starts(run) == {3: 15, 2: 10}, "a promise comes before the order of the queues"
