"""JobWatcher: many jobs at once, those that were over before and those that are not."""

from __future__ import annotations

import io
import threading

import pytest

from fluxplug.errors import ConnectionFailedError
from fluxplug.job import JobWatcher
from fluxplug.job.progress import Progress

RUN = ("validate", "depend", "priority", "alloc", "start")
HEADER = {"name": "header", "context": {"version": 1, "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"}}}


def ended(status=0):
    return [{"name": "finish", "context": {"status": status}}, "release", "free", "clean"]


def exception(kind="cancel", severity=0, note="enough"):
    return {"name": "exception", "context": {"type": kind, "severity": severity, "note": note}}


def data(text, stream="stdout", rank="0"):
    return {"name": "data", "context": {"stream": stream, "rank": rank, "data": text}}


@pytest.fixture
def watcher(h):
    """A watcher that writes to `.out` and `.err`."""
    made = []

    def make(**kwargs):
        out, err = io.StringIO(), io.StringIO()
        one = JobWatcher(h, stdout=out, stderr=err, **kwargs)
        one.out, one.err = out, err
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()


def test_jobs_that_are_over(instance, watcher):
    one = instance.add(events=[*RUN, *ended(3 << 8)], output=[HEADER, data("a\n"), data("b\n", "stderr")])
    two = instance.add(events=[*RUN, *ended()], output=[HEADER])
    watched = watcher(jobs=[one, two])
    assert watched.wait(10) == 3
    assert (watched.out.getvalue(), watched.err.getvalue()) == ("a\n", "b\n")
    assert watcher().wait(10) == 0


def test_jobs_that_are_not(instance, watcher):
    ids = [instance.add() for _ in range(20)]
    watched = watcher(jobs=ids, labelio=True).start()
    for number, jobid in enumerate(ids):
        instance.log(jobid, *RUN)
        instance.log(jobid, HEADER, data("a"), data(f"{number}\n"), log="guest.output")
        instance.log(jobid, *ended(number << 8))
    assert watched.wait(10) == 19
    assert sorted(watched.out.getvalue().splitlines()) == sorted(f"{jobid}: 0: a{n}" for n, jobid in enumerate(ids))


def test_jobs_end_while_they_are_added(instance, watcher):
    ids = [instance.add(events=["validate"]) for _ in range(50)]
    watched = watcher().start()

    def run():
        for jobid in ids:
            instance.log(jobid, *RUN[1:], *ended())
            instance.log(jobid, HEADER, data("x\n"), log="guest.output")

    thread = threading.Thread(target=run)
    thread.start()
    for jobid in ids:
        watched.add_jobid(jobid)
    assert watched.wait(10) == 0
    thread.join()


def test_exit_codes(instance, watcher):
    cancelled = instance.add(events=["validate", exception(), "clean"])
    killed = instance.add(events=[*RUN, exception(), *ended(15)])
    watched = watcher(jobs=[cancelled])
    assert watched.wait(10) == 1
    assert watched.err.getvalue() == f"2.000s: job.exception {cancelled} type=cancel severity=0 enough\n"
    assert watcher(jobs=[killed, killed]).wait(10) == 143
    later = instance.add()
    watched = watcher(jobs=[later]).start()
    instance.log(later, exception("dependency"), "clean")
    assert watched.wait(10) == 1


def test_waiting_for_an_event(instance, watcher, h):
    past, coming, never = (instance.add(events=["validate"]) for _ in range(3))
    instance.log(past, *RUN[1:])
    executing = instance.add(events=RUN)
    watched = watcher(watch=False, wait="start", jobs=[past, coming])
    watched.add_jobid(never, wait="nope")
    watched.add_jobid(executing, wait="exec.shell.start")
    watched.start()
    with pytest.raises(TimeoutError, match="are not over"):
        watched.wait(0.05)
    instance.log(coming, *RUN[1:])
    instance.log(never, "clean")
    instance.log(executing, "init", "shell.start", log="guest.exec.eventlog")
    h.reactor_run()
    assert watched.wait(10) == 0


def test_logs(instance, watcher):
    jobid = instance.add(events=["validate", exception(severity=3)])
    watched = watcher(jobs=[jobid], log_events=True, log_status=True, watch=False).start()
    instance.log(
        jobid, {"name": "priority", "context": {"priority": 16}}, exception(severity=2, note=""), *ended(2 << 8)
    )
    assert watched.wait(10) == 2
    lines = watched.err.getvalue().splitlines()
    assert lines[0] == f'0.000s: job.submit {jobid} {{"userid":1000}}'
    assert lines[3] == f'3.000s: job.priority {jobid} {{"priority":16}}'
    assert lines[-2:] == [f"8.000s: job.clean {jobid}", f"{jobid}: failed with exit code 2"]
    assert len(lines) == 10


def test_output_for_a_callback(instance, watcher):
    jobid = instance.add(events=[*RUN, *ended()], output=[HEADER, data("a\n")])
    got = []
    watched = watcher(output_callback=lambda *given: got.append(given))
    other = io.StringIO()
    watched.add_jobs(jobid, stdout=other)
    watched.wait(10)
    assert got == [(jobid, "stdout", "a\n")]
    watched = watcher()
    watched.add_jobs(jobid, stdout=other)
    watched.wait(10)
    assert other.getvalue() == "a\n"


def test_faults(instance, watcher, h):
    with pytest.raises(FileNotFoundError, match="unknown job id"):
        watcher(jobs=[5]).wait(10)
    watcher(jobs=[5]).start()
    with pytest.raises(FileNotFoundError, match="unknown job id"):
        h.reactor_run()

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    jobid = instance.add(events=[*RUN, *ended()], output=[HEADER, data("a\n")])
    with pytest.raises(OSError, match="No space left"):
        JobWatcher(h, jobs=[jobid], stdout=Full()).wait(10)


def test_the_instance_ends(instance, watcher):
    watched = watcher(jobs=[instance.add()]).start()
    with pytest.raises(TimeoutError):
        watched.wait(0.05)
    with instance.changed:
        instance.closing = True
        instance.changed.notify_all()
    with pytest.raises(ConnectionFailedError, match="has ended"):
        watched.wait(10)


def test_progress(instance, watcher):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    progress = Progress(Terminal(), 0.0, jps=True)
    for jobid in range(4):
        progress.add(jobid)
    progress.event(0, "start", None)
    progress.event(1, "clean", 0)
    progress.event(2, "clean", 3)
    progress.event(2, "start", None)
    progress.state(3, 16, None)
    line = progress.line(70)
    assert line.startswith("PD:0   R:2   CD:1   F:1   |####")
    assert "50.0%" in line
    assert len(line) == 70
    assert len(progress.line(20)) == 20
    progress.clear()
    progress.finish()
    assert progress._stream.getvalue().endswith("\x1b[K\n")
    watched = watcher(progress=True, jobs=[instance.add(events=[*RUN, *ended()], output=[HEADER, data("a\n")])])
    assert watched.wait(10) == 0
    assert watched.out.getvalue() == "a\n", "no bar where there is no terminal"
