"""The event logs that the engine writes, for every way in which a job can live and die (RFC 21; formats.md section 12)."""

from __future__ import annotations

import pytest

from fluxplug.engine import events as ev
from fluxplug.engine.engine import PRIORITY_MAX, EngineError
from fluxplug.engine.states import State

SUBMITTED = ["submit", "validate", "depend", "priority"]
ENDED = ["finish", "release", "free", "clean"]


def test_normal(bench):
    run = bench()
    assert run(run.submit(3, 1, 2, 10.0, urgency=20, userid=7)) == [1]
    assert run(ev.Ended(9, 1, 768)) == []
    assert run.contexts(1) == [
        ("submit", {"urgency": 20, "userid": 7, "flags": 0, "version": 1}),
        ("validate", {}),
        ("depend", {}),
        ("priority", {"priority": 20}),
        ("alloc", {}),
        ("start", {}),
        ("finish", {"status": 768}),
        ("release", {"ranks": "all", "final": True}),
        ("free", {}),
        ("clean", {}),
    ]
    assert [entry.time for entry in run.log] == [3] * 6 + [9] * 4
    assert run.engine.jobs == {}


def test_refused_for_good(bench):
    run = bench()
    assert run(run.submit(0, 1, 5, 10.0)) == []
    assert run.names(1) == ["submit", "validate", "depend", "priority", "exception", "clean"]
    kind, context = run.contexts(1)[4]
    assert (kind, context["type"], context["severity"]) == ("exception", "alloc", 0)
    assert context["note"].startswith("unsatisfiable request: need 5")
    assert run.stopped == [ev.Stop(1, "alloc")]
    assert run.engine.jobs == {}


def test_cancelled_while_pending(bench):
    run = bench()
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 10.0))
    run(ev.Cancel(5, 2, note="no use any more"))
    assert run.names(2) == [*SUBMITTED, "exception", "clean"]
    assert run.contexts(2)[4][1] == {"type": "cancel", "severity": 0, "note": "no use any more"}
    assert 2 not in run.engine.jobs
    with pytest.raises(EngineError, match="no active job 2"):
        run.engine.handle(ev.Cancel(6, 2))


def test_cancelled_while_running_keeps_its_resources_until_it_has_ended(bench):
    run = bench()
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 10.0))
    assert run(ev.Cancel(5, 1)) == []
    assert run.stopped == [ev.Stop(1, "cancel")]
    assert run.job(1).state is State.CLEANUP
    assert run(ev.Cancel(6, 1)) == [], "a second cancel changes nothing"
    assert run(ev.Ended(7, 1, 15)) == [2]
    assert run.names(1) == [*SUBMITTED, "alloc", "start", "exception", *ENDED]
    assert len(run.stopped) == 1


def test_a_job_that_was_killed_cannot_be_changed(bench):
    run = bench()
    run(run.submit(0, 1, 4, 10.0))
    run(ev.Cancel(5, 1))
    for event in (ev.SetLimit(6, 1, 99.0), ev.SetUrgency(6, 1, 3), ev.SetPriority(6, 1, 3)):
        with pytest.raises(EngineError):
            run.engine.handle(event)
    assert run.engine.now == 5


def test_held_and_released(bench):
    run = bench()
    assert run(run.submit(0, 1, 1, 10.0, urgency=0)) == []
    assert run.job(1).state is State.SCHED
    assert run(ev.SetUrgency(4, 1, 16, userid=3)) == [1]
    assert run.contexts(1)[3:6] == [
        ("priority", {"priority": 0}),
        ("urgency", {"urgency": 16, "userid": 3}),
        ("priority", {"priority": 16}),
    ]
    assert run.names(1)[6:] == ["alloc", "start"]


def test_held_while_it_waits(bench):
    run = bench("easy")
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 10.0), run.submit(0, 3, 4, 10.0))
    assert run.promised() == {2: 10}
    assert run(ev.SetUrgency(1, 2, 0)) == []
    assert run.promised() == {3: 10}, "a held job has no promise, and the next one has it"
    assert run(ev.Ended(10, 1)) == [3]
    assert run(ev.Cancel(11, 2)) == []
    assert run.names(2) == [*SUBMITTED, "urgency", "priority", "exception", "clean"]


def test_expedited(bench):
    run = bench()
    run(run.submit(0, 1, 4, 10.0))
    run(run.submit(1, 2, 4, 10.0), run.submit(1, 3, 4, 10.0, urgency=31))
    assert ("priority", {"priority": PRIORITY_MAX}) in run.contexts(3)
    assert run(ev.Ended(10, 1)) == [3]


def test_dependencies(bench):
    run = bench()
    event = run.submit(0, 1, 1, 10.0, dependencies=("after:f2", "after:f1", "after:f2"))
    assert run(event) == []
    assert run.contexts(1)[1:] == [
        ("dependency-add", {"description": "after:f1"}),
        ("dependency-add", {"description": "after:f2"}),
        ("validate", {}),
    ]
    assert run(ev.DependencyMet(1, 1, "after:f2")) == []
    assert run.job(1).state is State.DEPEND
    with pytest.raises(EngineError, match="does not wait for 'after:f2'"):
        run.engine.handle(ev.DependencyMet(2, 1, "after:f2"))
    assert run(ev.DependencyMet(3, 1, "after:f1")) == [1]
    assert run.names(1)[4:] == ["dependency-remove", "dependency-remove", "depend", "priority", "alloc", "start"]


def test_urgency_of_a_job_with_dependencies_is_only_noted(bench):
    run = bench()
    run(run.submit(0, 1, 1, 10.0, dependencies=("after:f1",)))
    run(ev.SetUrgency(1, 1, 20))
    assert run.job(1).state is State.DEPEND
    run(ev.DependencyMet(2, 1, "after:f1"))
    assert run.names(1)[3:] == ["urgency", "dependency-remove", "depend", "priority", "alloc", "start"]
    assert ("priority", {"priority": 20}) in run.contexts(1)


def test_cancelled_while_it_depends(bench):
    run = bench()
    run(run.submit(0, 1, 1, 10.0, dependencies=("after:f1",)))
    run(ev.Cancel(1, 1))
    assert run.names(1) == ["submit", "dependency-add", "validate", "exception", "clean"]


def test_dependencies_of_a_plugin_are_added(bench):
    run = bench(dependencies=lambda job: [f"after:{job.jobid - 1}"] if job.jobid > 1 else [])
    assert run(run.submit(0, 1, 1, 10.0), run.submit(0, 2, 1, 10.0, dependencies=("begin",))) == [1]
    assert [context["description"] for name, context in run.contexts(2) if name == "dependency-add"] == [
        "after:1",
        "begin",
    ]


def test_priority_of_a_plugin(bench):
    run = bench(priority=lambda job: job.userid)
    run(run.submit(0, 1, 4, 10.0))
    run(run.submit(1, 2, 4, 10.0, userid=1), run.submit(1, 3, 4, 10.0, userid=2))
    assert run(ev.Ended(10, 1)) == [3]


def test_limit_of_a_waiting_job_sends_it_through_priority(bench):
    """RFC 21: `jobspec-update` leads from SCHED back to PRIORITY, so a `priority` event follows."""
    run = bench()
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 10.0))
    run(ev.SetPriority(1, 2, 77))
    run(ev.SetLimit(2, 2, 30.0))
    assert run.contexts(2)[4:] == [
        ("priority", {"priority": 77}),
        ("jobspec-update", {"attributes.system.duration": 30.0}),
        ("priority", {"priority": 77}),
    ]
    assert run(ev.Ended(10, 1)) == [2]
    assert run.job(2).ends == 40


def test_limit_of_a_job_with_dependencies_is_only_noted(bench):
    run = bench()
    run(run.submit(0, 1, 1, 10.0, dependencies=("after:f1",)))
    run(ev.SetLimit(1, 1, 30.0))
    assert run.names(1)[3:] == ["jobspec-update"]
    assert run(ev.DependencyMet(2, 1, "after:f1")) == [1]
    assert run.job(1).ends == 32


@pytest.mark.parametrize(("limit", "expiration"), [(30.0, 30.0), (2.0, 2.0), (0, 0.0)])
def test_limit_of_a_running_job(bench, limit, expiration):
    run = bench()
    run(run.submit(0, 1, 4, 10.0))
    run(ev.SetLimit(1, 1, limit))
    assert run.contexts(1)[6:] == [("resource-update", {"expiration": expiration})]


def test_lost_with_its_node(bench):
    run = bench(nodes=2)
    run(run.submit(0, 1, 1, 10.0), run.submit(0, 2, 1, 10.0))
    run(ev.NodesDown(3, "1"))
    assert run.stopped == [ev.Stop(2, "exec")]
    assert run.contexts(2)[6] == ("exception", {"type": "exec", "severity": 0, "note": "lost contact with rank 1"})
    run(ev.NodesDown(4, "0-1"))
    assert run.stopped == [ev.Stop(2, "exec"), ev.Stop(1, "exec")], "it is lost once"
    run(ev.Ended(5, 1, 9), ev.Ended(5, 2, 9))
    assert run.names(2) == [*SUBMITTED, "alloc", "start", "exception", *ENDED]


def test_drained_nodes_keep_their_jobs(bench):
    run = bench(nodes=1)
    run(run.submit(0, 1, 1, 10.0), run.submit(0, 2, 1, 10.0))
    run(ev.NodesDown(3, "0", kill=False))
    assert run.stopped == []
    assert run(ev.Ended(10, 1)) == []
    assert run(ev.NodesUp(12, "0")) == [2]


def test_jobs_that_end_with_their_node(bench):
    """Ends come first at an instant: a job that ends as its node fails has completed."""
    run = bench(nodes=1)
    run(run.submit(0, 1, 1, 10.0))
    run(ev.Ended(10, 1), ev.NodesDown(10, "0"))
    assert run.stopped == []
    assert run.names(1) == [*SUBMITTED, "alloc", "start", *ENDED]


def test_without_logs(bench):
    run = bench(log=False)
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 1, 10.0), run.submit(0, 3, 9, 10.0))
    run(ev.SetLimit(1, 1, 5.0), ev.SetLimit(1, 2, 5.0), ev.SetUrgency(1, 2, 3), ev.SetPriority(1, 2, 9))
    run(ev.Cancel(2, 2), ev.Cancel(2, 1))
    run(ev.Ended(3, 1))
    assert run.log == []


CHANGES = [
    ev.Ended(5, 9),
    ev.Ended(5, 2),
    ev.Cancel(5, 9),
    ev.SetUrgency(5, 1, 3),
    ev.SetUrgency(5, 9, 3),
    ev.SetPriority(5, 1, 3),
    ev.DependencyMet(5, 1, "after:x"),
    ev.SetLimit(5, 9, 3),
    ev.NodesDown(-1, "0"),
]


@pytest.mark.parametrize("event", CHANGES, ids=lambda event: f"{type(event).__name__}-{event[1]}")
def test_events_that_make_no_sense_change_nothing(bench, event):
    run = bench()
    run(run.submit(0, 1, 4, 10.0), run.submit(0, 2, 4, 10.0))
    before = run.engine.snapshot()
    with pytest.raises(EngineError):
        run.engine.handle(event)
    assert run.engine.snapshot() == before
    run.engine.check()
    assert run(ev.Ended(10, 1)) == [2]


@pytest.mark.parametrize(("jobid", "queue"), [(1, ""), (2, "nowhere")])
def test_submissions_that_make_no_sense(bench, jobid, queue):
    run = bench()
    run(run.submit(0, 1, 4, 10.0))
    before = run.engine.snapshot()
    with pytest.raises(EngineError):
        run.engine.handle(run.submit(1, jobid, 1, queue=queue))
    assert run.engine.snapshot() == before


# How the recorded jobs came about: events after the submission, as (event, arguments).
RECORDED = {
    "ok": [("ended", 0)],
    "exit3": [("ended", 768)],
    "signal": [("ended", 35072)],
    "kill 15": [("ended", 36608)],
    "notfound": [("cancel", "exec"), ("ended", 32512)],
    "cancel running": [("cancel", "cancel"), ("ended", 15)],
    "cancel pending held": [("cancel", "cancel")],
    "timeout": [("cancel", "timeout"), ("ended", 36352)],
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_logs(bench, vectors, name):
    """Names and contexts of the events of real jobs. Who cancelled, and where it ran, are for a live instance to add."""
    recorded = vectors("job_lifecycles")["jobs"][name]["eventlog"]
    wanted = [(e["name"], {k: v for k, v in e["context"].items() if k != "annotations"}) for e in recorded]
    notes = [context["note"] for event, context in wanted if event == "exception"]
    for event, context in wanted:
        if event == "exception":
            context.pop("userid")
    run = bench()
    run(run.submit(0, 1, 1, 10.0, urgency=wanted[0][1]["urgency"]))
    for time, (what, value) in enumerate(RECORDED[name], 1):
        run(ev.Ended(time, 1, value) if what == "ended" else ev.Cancel(time, 1, value, notes[0]))
    assert run.contexts(1) == wanted


def test_the_recorded_log_of_a_job_that_never_fits(bench, vectors):
    recorded = [event["name"] for event in vectors("job_lifecycles")["jobs"]["infeasible"]["eventlog"]]
    run = bench()
    run(run.submit(0, 1, 5, 10.0))
    assert run.names(1) == recorded
