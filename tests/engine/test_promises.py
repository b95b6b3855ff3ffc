"""Promises and parking: what keeps a job from its start, what takes a promise back, and what must bring a job back into play."""

from __future__ import annotations

import math

import pytest

from fluxplug.engine import events as ev
from fluxplug.engine.explain import estimates, explain
from fluxplug.testing.builders import R, jobspec


class TestOverdue:
    """A job is over its limit and still there, so promises that counted on its end cannot be kept."""

    def test_the_promise_is_made_anew_and_the_job_starts_as_soon_as_it_can(self, bench):
        run = bench("easy", amount=2)
        run(run.submit(0, 1, 2, 10.0))
        run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 1, 5.0))
        assert run.promised() == {2: 10}
        assert run(now=10) == []
        assert run.engine.next_due() > 10
        assert run(ev.Ended(13, 1)) == [2]
        assert run.promised() == {3: 23}

    def test_nobody_overtakes_meanwhile(self, bench):
        run = bench("conservative", amount=2)
        run(run.submit(0, 1, 2, 10.0))
        run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 2, 10.0), run.submit(1, 4, 2, 10.0))
        run(now=10)
        assert run(run.submit(11, 5, 1, 1.0)) == []
        assert sorted(run.promised(), key=run.promised().get) == [2, 3, 4, 5]
        assert run(ev.Ended(13, 1)) == [2]
        assert run.promised() == {3: 23, 4: 33, 5: 43}

    def test_in_every_queue(self, bench):
        run = bench(amount=2, queues={"a": ("easy", None), "b": ("easy", None)})
        run(run.submit(0, 1, 2, 10.0, queue="a"))
        run(run.submit(1, 2, 2, 10.0, queue="a"), run.submit(1, 3, 2, 10.0, queue="b"))
        assert run(now=10) == []
        assert run(ev.Ended(13, 1)) == [2]
        assert run(ev.Ended(20, 2)) == [3]

    @pytest.mark.parametrize("policy", ["fcfs", "easy", "conservative"])
    def test_estimates_do_not_count_on_it(self, bench, policy):
        run = bench(policy, amount=2)
        run(run.submit(0, 1, 2, 10.0))
        run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 2, 10.0))
        run(now=10)
        for event in (ev.Submit(12, 4, run.job(2).request), ev.Pass(12), ev.Submit(12.5, 5, run.job(2).request)):
            run.engine.handle(event)
            starts = list(dict(estimates(run.engine)).values())
            assert starts == sorted(starts)
            assert min(starts) > run.engine.now

    @pytest.mark.parametrize("policy", ["easy", "conservative", "hybrid-2"])
    def test_a_late_driver(self, bench, policy):
        """Nothing is overdue but the pass: that the promises behind it move by as much must not keep the job from its start."""
        run = bench(policy, amount=2)
        run(run.submit(0, 1, 2, 10.0))
        run(run.submit(1, 2, 2, 10.0), run.submit(1, 3, 2, 10.0))
        assert run(ev.Ended(10.5, 1)) == [2]
        assert run.promised() == {3: 20.5}


class TestUnlimited:
    """Jobs without a limit hold, or are promised, what another one needs: it has no start in sight, until that changes."""

    def hidden(self, bench, policy="conservative"):
        run = bench(policy, amount=2)
        run(run.submit(0, 1, 2, 100.0))
        run(run.submit(1, 2, 2, 0.0))
        run(run.submit(2, 3, 2, 10.0))
        assert run.promised() == {2: 100}
        assert run.out_of_sight() == [3]
        assert explain(run.engine, 3).reason == "unlimited"
        return run

    def test_cancelled_before_it_started(self, bench):
        run = self.hidden(bench)
        run(ev.Cancel(5, 2))
        assert run.promised() == {3: 100}

    def test_held(self, bench):
        run = self.hidden(bench)
        run(ev.SetUrgency(5, 2, 0))
        assert run.promised() == {3: 100}

    def test_gets_a_limit_while_it_waits(self, bench):
        run = self.hidden(bench)
        run(ev.SetLimit(5, 2, 30.0))
        assert run.promised() == {2: 100, 3: 130}

    def test_gets_a_limit_while_it_runs(self, bench):
        run = self.hidden(bench)
        assert run(ev.Ended(100, 1)) == [2]
        run(ev.SetLimit(105, 2, 30.0))
        assert run.promised() == {3: 130}

    def test_ends(self, bench):
        run = self.hidden(bench)
        run(ev.Ended(100, 1))
        assert run(ev.Ended(107, 2)) == [3]

    def test_is_overtaken_by_priority(self, bench):
        run = self.hidden(bench)
        run(ev.SetPriority(5, 2, 3))
        assert run.promised() == {3: 100, 2: 110}
        assert run.out_of_sight() == []

    def test_an_early_end_makes_a_gap(self, bench):
        run = bench("conservative", amount=2)
        run(run.submit(0, 1, 1, 100.0), run.submit(0, 2, 1, 50.0))
        run(run.submit(1, 3, 2, 0.0), run.submit(1, 4, 1, 60.0))
        assert run.out_of_sight() == [4]
        assert run(ev.Ended(20, 2)) == [4]
        assert run.promised() == {3: 100}

    def test_fcfs_does_not_pass_over_it(self, bench):
        """That nodes are down elsewhere does not mean that the head waits for these."""
        run = bench("fcfs", nodes=3)
        run(ev.NodesDown(0, "2"))
        run(run.submit(1, 1, 1, 0.0), run.submit(1, 2, 2, 10.0), run.submit(1, 3, 1, 10.0))
        assert set(run.engine.running) == {1}
        assert run.engine.parked == {}
        run(run.submit(2, 4, 3, 10.0), ev.SetPriority(2, 4, 50))
        assert list(run.engine.parked) == [4], "this one does"


class TestDown:
    def test_who_needs_the_node_is_parked_and_comes_back_with_it(self, bench):
        run = bench("easy", nodes=3)
        run(ev.NodesDown(0, "2"))
        assert run(run.submit(1, 1, 3, 10.0), run.submit(1, 2, 2, 10.0)) == [2]
        assert explain(run.engine, 1).reason == "down"
        assert run(ev.NodesUp(5, "2")) == []
        assert run.promised() == {1: 11}

    def test_an_end_does_not_bring_it_back(self, bench):
        run = bench("easy", nodes=3)
        run(ev.NodesDown(0, "2"))
        run(run.submit(1, 1, 3, 10.0), run.submit(1, 2, 2, 0.0), run.submit(1, 3, 1, 10.0))
        run(ev.Ended(5, 2))
        assert list(run.engine.parked) == [1]

    def test_parking_is_no_gain(self, bench):
        """A job that is set aside helps nobody, so nobody is asked again for it."""
        run = bench("easy", nodes=3)
        run(ev.NodesDown(0, "2"))
        run(run.submit(1, 1, 2, 10.0))
        gain = run.engine.gain
        run(*(run.submit(2, n, 3, 10.0) for n in range(2, 9)))
        assert (len(run.engine.parked), run.engine.gain) == (7, gain)

    def test_held_cancelled_and_changed_while_parked(self, bench):
        run = bench("easy", nodes=3)
        run(ev.NodesDown(0, "2"))
        run(*(run.submit(1, n, 3, 10.0) for n in (1, 2, 3, 4)))
        run(ev.SetUrgency(2, 1, 0), ev.Cancel(2, 2), ev.SetLimit(2, 3, 20.0), ev.SetPriority(2, 4, 50))
        assert sorted(run.engine.parked) == [3, 4]
        assert run(ev.NodesUp(3, "2")) == [4]
        assert run.promised() == {3: 13}
        assert run.job(3).limit == 20
        assert explain(run.engine, 1).reason == "held"

    @pytest.mark.parametrize("policy", ["easy", "conservative", "hybrid-2"])
    def test_promises_count_on_what_is_up(self, bench, policy):
        run = bench(policy, nodes=3)
        run(run.submit(0, 1, 2, 10.0), run.submit(0, 2, 2, 10.0))
        assert run.promised() == {2: 10}
        run(run.submit(1, 3, 1, 30.0))
        run(ev.NodesDown(2, "0", kill=False))
        assert run.promised() == {2: 31}, "rank 0 goes on until 10, and nobody gets it then"
        run(ev.NodesUp(3, "0"))
        assert run.promised() == {2: 10}


class TestChanges:
    """A change that helps a job, or does nothing to it, must not cost it its place."""

    def waiting(self, bench):
        run = bench("conservative", amount=2)
        run(run.submit(0, 1, 2, 100.0))
        run(run.submit(1, 2, 2, 50.0), run.submit(1, 3, 2, 50.0), run.submit(1, 4, 2, 50.0))
        assert run.promised() == {2: 100, 3: 150, 4: 200}
        return run

    def test_shorter_limit(self, bench):
        run = self.waiting(bench)
        run(ev.SetLimit(5, 2, 40.0))
        assert run.promised() == {2: 100, 3: 140, 4: 190}

    def test_same_limit(self, bench):
        run = self.waiting(bench)
        run(ev.SetLimit(5, 2, 50.0))
        assert run.promised() == {2: 100, 3: 150, 4: 200}

    def test_longer_limit(self, bench):
        run = self.waiting(bench)
        run(ev.SetLimit(5, 4, 60.0))
        assert run.promised() == {2: 100, 3: 150, 4: 200}
        run(ev.SetLimit(6, 2, 60.0))
        assert run.promised() == {3: 150, 4: 200, 2: 260}, "it no longer fits before the others"

    @pytest.mark.parametrize("change", [ev.SetUrgency(5, 2, 16), ev.SetPriority(5, 2, 16)])
    def test_same_priority(self, bench, change):
        run = self.waiting(bench)
        run(change)
        assert run.promised() == {2: 100, 3: 150, 4: 200}

    @pytest.mark.parametrize("change", [ev.SetUrgency(5, 3, 17), ev.SetPriority(5, 3, 17)])
    def test_raised(self, bench, change):
        run = self.waiting(bench)
        run(change)
        assert run.promised() == {3: 100, 2: 150, 4: 200}

    @pytest.mark.parametrize("change", [ev.SetUrgency(5, 2, 15), ev.SetPriority(5, 2, 15)])
    def test_lowered(self, bench, change):
        run = self.waiting(bench)
        run(change)
        assert run.promised() == {3: 100, 4: 150, 2: 200}

    def test_cancelled(self, bench):
        run = self.waiting(bench)
        run(ev.Cancel(5, 2))
        assert run.promised() == {3: 100, 4: 150}

    def test_of_a_running_job(self, bench):
        run = self.waiting(bench)
        run(ev.SetLimit(5, 1, 60.0))
        assert run.promised() == {2: 60, 3: 110, 4: 160}
        run(ev.SetLimit(6, 1, 80.0))
        assert run.promised() == {2: 80, 3: 130, 4: 180}
        run(ev.SetLimit(7, 1, 0))
        assert run.promised() == {}
        assert run.out_of_sight() == [2, 3, 4]
        assert run(ev.Ended(20, 1)) == [2]
        assert run.promised() == {3: 70, 4: 120}

    def test_limit_in_the_past_of_a_running_job(self, bench):
        """It is overdue from then on; its driver has to stop it."""
        run = self.waiting(bench)
        run(ev.SetLimit(50, 1, 20.0))
        assert run.engine.running[1].ends == 20
        assert run.promised()[2] > 50
        assert run(ev.Ended(51, 1)) == [2]


class TestDues:
    def test_promised_twice_for_one_time(self, bench):
        run = bench("easy", amount=2)
        run(run.submit(0, 1, 2, 10.0))
        run(run.submit(1, 2, 2, 10.0))
        state = run.engine.queues[""]
        for _ in range(3):
            run.engine.release(run.job(2))
            run.pool.reserve(2, run.job(2).request, 10)
            state.promise(run.job(2), 10)
        run.engine.check()
        assert [job.jobid for job in state.pop_due(10)] == [2]
        assert state.next_due() == math.inf

    def test_none_is_left_behind_by_changes(self, bench):
        run = bench("conservative", amount=2)
        run(run.submit(0, 1, 2, 100.0))
        run(run.submit(1, 2, 2, 50.0), run.submit(1, 3, 2, 50.0))
        run(ev.Cancel(2, 3))
        run(ev.Cancel(3, 2))
        assert run.engine.next_due() == math.inf
        assert not run.engine.wants_pass()


class TestKinds:
    """Promises on a machine of several kinds of nodes."""

    def test_renewed_onto_nodes_of_another_kind(self, bench):
        run = bench("easy", machine=R(2, cores=[2, 1]))

        def whole(jobid, limit, cores):
            spec = jobspec(nodes=1, cores=cores, exclusive=True, limit=limit)
            return ev.Submit(run.engine.now, jobid, run.pool.parse_resource_request(spec))

        assert run(whole(1, 10, 2), whole(2, 20, 1)) == [1, 2]
        run(whole(3, 5, 1))
        assert run.promised() == {3: 10}
        assert run(ev.Ended(5, 2)) == [3], "on the small node, that it was not promised"
