"""What a live instance tells the engine beside what a simulation does: restarts, partial releases, stopped queues, passes in steps."""

import math

import pytest

from fluxplug.engine import events as ev
from fluxplug.engine.engine import EngineError
from fluxplug.engine.explain import explain
from fluxplug.resource.rset import Rv1Set


def test_the_driver_tells_when_tasks_run(bench):
    run = bench(told=True)
    assert run(run.submit(0, 1, 1, 10)) == [1]
    assert run.names(1)[-1] == "alloc"
    run(ev.Running(2, 1))
    assert run.names(1)[-1] == "start"
    with pytest.raises(EngineError, match="no resources"):
        run.engine.handle(ev.Running(3, 2))


@pytest.mark.parametrize("exception", ["", "cancel"])
def test_an_engine_takes_over_what_runs(bench, exception):
    first = bench("easy", nodes=4)
    first(first.submit(0, 1, 3, 100))
    held = Rv1Set(first.job(1).R.to_dict())
    second = bench("easy", nodes=4)
    request = second.submit(0, 1, 3, 100).request
    second.engine.handle(ev.Adopt(50, 1, request, held, 0, 100, exception=exception))
    second.engine.check()
    assert second(second.submit(50, 2, 2, 10), second.submit(50, 3, 1, 10)) == [3]
    assert second.promised() == {2: 100}
    assert second(ev.Ended(60, 1)) == [2]
    with pytest.raises(EngineError, match="known already"):
        second.engine.handle(ev.Adopt(61, 2, request, held, 0, math.inf))


def test_ranks_that_a_job_has_left_serve_others(bench):
    run = bench("easy", nodes=4)
    assert run(run.submit(0, 1, 4, 100), run.submit(0, 2, 2, 10)) == [1]
    assert run(ev.Released(5, 1, "1-2")) == [2]
    assert run.contexts(1)[-1] == ("release", {"ranks": "1-2", "final": False})
    for ranks in ("1", "0,3", "7", ""):  # what it holds no more, all that is left, what there is not, nothing
        with pytest.raises(EngineError, match="can give back"):
            run.engine.handle(ev.Released(6, 1, ranks))
    run(ev.Ended(7, 1))
    run(ev.Ended(8, 2))
    assert run.pool.job_end_times() == []


def test_a_stopped_queue_starts_nothing_and_holds_nothing_back(bench):
    run = bench(queues={"batch": ("conservative", None), "debug": ("easy", None)}, amount=4)
    run(run.submit(0, 1, 4, 100, queue="batch"), run.submit(0, 2, 4, 100, queue="batch"))
    assert run.promised() == {2: 100}
    run(ev.StopQueue(1, "batch"), run.submit(1, 3, 4, 1000, queue="debug"))
    assert run.promised() == {3: 100}
    why = explain(run.engine, 2)
    assert (why.reason, why.estimate) == ("stopped", None)
    assert run(ev.Ended(100, 1)) == [3]
    run(ev.StartQueue(101, "batch"))
    assert run.promised() == {2: 1100}
    assert run(ev.Ended(200, 3)) == [2]
    with pytest.raises(EngineError, match="no queue 'none'"):
        run.engine.handle(ev.StopQueue(201, "none"))


def test_a_pass_in_steps_does_what_a_whole_one_does(bench):
    whole, stepped = bench("conservative", nodes=8), bench("conservative", nodes=8)
    for run in (whole, stepped):
        for jobid in range(1, 30):
            run.engine.handle(run.submit(0, jobid, 1 + jobid % 5, 10 + jobid % 7))
    wanted = whole.engine.handle(ev.Pass(0))
    steps, number = stepped.engine.steps(ev.Pass(0)), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            actions = end.value
            break
        number += 1
        with pytest.raises(EngineError, match="middle of a pass"):
            stepped.engine.handle(ev.Cancel(1, 3))
    assert number > 20
    assert [start.jobid for start in actions.start] == [start.jobid for start in wanted.start] != []
    assert stepped.engine.snapshot() == whole.engine.snapshot()
    stepped.engine.check()
    stepped.engine.handle(ev.Cancel(1, 3))


def test_what_is_kept_after_a_job_serves_others_when_it_is_vacated(bench):
    run = bench("easy", nodes=4)
    run(run.submit(0, 1, 3, 100), run.submit(0, 2, 4, 10))
    assert run(ev.EndedKeeping(50, 1, 0, 60)) == []
    assert run.names(1)[-1] == "clean"
    assert run.promised() == {2: 60}
    assert run(ev.Vacated(55, 1, "0,2")) == []
    assert run(run.submit(56, 3, 2, 1)) == [3]
    for ranks in ("0", "7", ""):
        with pytest.raises(EngineError, match="nothing is kept"):
            run.engine.handle(ev.Vacated(56, 1, ranks))
    run(ev.Ended(57, 3))
    assert run(ev.Vacated(65, 1, "1")) == [2]
    run(ev.Ended(75, 2))
    assert run.pool.job_end_times() == []
