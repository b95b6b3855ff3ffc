"""FluxExecutor against real instances: results, refusals, callbacks, attaching, cancelling, and a server that is killed in between."""

from __future__ import annotations

import concurrent.futures
import signal
import subprocess
import sys
import threading

import pytest

from fluxplug import Flux, job
from fluxplug.errors import ConnectionFailedError, JobException
from fluxplug.job import FluxExecutor, FluxExecutorFuture, JobspecV1

from .conftest import Server

WAIT = 60


def sh(script, **kwargs):
    return JobspecV1.from_command(["sh", "-c", script], environment={}, cwd="/", **kwargs)


def executor(server, **kwargs):
    return FluxExecutor(handle_args=(server.uri,), **kwargs)


PRETEND = ("--nodes", "4", "--cores", "64", "--executor", "pretend")


@pytest.fixture(scope="module")
def pretend(lasting_server):
    """An instance whose jobs are over at once."""
    return lasting_server(*PRETEND)


@pytest.fixture
def mortal(server):
    """Another one, for a test that ends it."""
    return server(*PRETEND)


def test_results(server):
    one = server("--test-size", "2")
    with executor(one, threads=2, thread_name_prefix="mine") as ex:
        futures = [ex.submit(sh(f"exit {code}")) for code in (0, 1, 7)]
        killed = ex.submit(sh("kill -KILL $$"))
        assert {thread.name for thread in threading.enumerate()} >= {"mine-0", "mine-1"}
        running = ex.submit(sh("sleep 100")).add_event_callback(
            "start", lambda future, _: job.cancel(Flux(one.uri), future.jobid())
        )
        stopped = ex.submit(sh("sleep 100")).add_event_callback(
            "start", lambda future, _: job.kill(Flux(one.uri), future.jobid(), signal.SIGTERM)
        )
        assert [future.result(WAIT) for future in futures] == [0, 1, 7]
        assert killed.result(WAIT) == 137
        assert stopped.result(WAIT) == 143
        with pytest.raises(JobException, match="type=cancel"):
            running.result(WAIT)
        none = ex.submit(JobspecV1.from_command(["/no/such/command"], cwd="/", environment={}))
        assert isinstance(none.exception(WAIT), JobException)
        assert len({future.jobid() for future in futures}) == 3
    assert running.jobid(0) in {info.id for info in job.JobList(Flux(one.uri), filters=["canceled"]).jobs()}


def shut_down(server):
    """As `fluxplug shutdown --leave`: in order, and jobs go on."""
    server.client.post("/v1/shutdown", {"leave": True})
    server.process.wait(30)
    server.process.stdout.close()


@pytest.mark.parametrize("stop", [Server.kill, shut_down])
def test_a_server_ends_and_another_one_goes_on(server, tmp_path, stop):
    one = server("--test-size", "1")
    gate = tmp_path / "gate"
    with executor(one) as ex:
        before = ex.submit(sh(f"while ! test -e {gate}; do sleep 0.05; done; exit 5"))
        started = threading.Event()
        before.add_event_callback("start", lambda *_: started.set())
        assert started.wait(WAIT)
        stop(one)
        meanwhile = [ex.submit(sh("exit 6")) for _ in range(3)]
        gate.touch()
        one.start()
        assert before.result(WAIT) == 5
        assert [future.result(WAIT) for future in meanwhile] == [6, 6, 6]
        names = [event.name for event in job.event_watch(Flux(one.uri), before.jobid()) if event.name in before.EVENTS]
        told = []
        for name in before.EVENTS:
            before.add_event_callback(name, lambda _, event: told.append(event.name))
    assert sorted(told) == sorted(names), "none is missing, none comes twice"


def test_a_server_that_takes_running_jobs_along_may_be_replaced(mortal):
    with executor(mortal) as ex:
        held = ex.submit(sh("true"), urgency=0)
        jobid = held.jobid(WAIT)
        mortal.client.post("/v1/shutdown", {})
        mortal.process.wait(30)
        mortal.process.stdout.close()
        mortal.start()
        job.set_urgency(Flux(mortal.uri), jobid, 16)
        assert held.result(WAIT) == 0


def test_a_thousand_jobs(pretend):
    jobspec = sh("true")
    before = set(threading.enumerate())
    with executor(pretend) as ex:
        futures = [ex.submit(jobspec) for _ in range(1000)]
        jobspec.tasks[0]["command"] = "what is changed afterwards is not sent"
        done = concurrent.futures.wait(futures, timeout=WAIT)
        assert not done.not_done
        assert {future.result() for future in concurrent.futures.as_completed(futures)} == {0}
        assert len(set(threading.enumerate()) - before) == 2, "a thread, and one that reads"
    ids = [future.jobid() for future in futures]
    assert ids == sorted(set(ids)), "in the order of the calls"


def test_what_is_refused(pretend):
    with executor(pretend) as ex:
        for jobspec, kind, text in (
            ("{}", PermissionError, "Missing key"),
            ("{", OSError, "invalid JSON"),
            (5, TypeError, "int"),
        ):
            future = ex.submit(jobspec)
            assert isinstance(future.exception(WAIT), kind)
            with pytest.raises(RuntimeError, match=f"job could not be submitted due to .*{text}"):
                future.jobid()
        bad, good = ex.submit(sh("true"), urgency=99), ex.submit(sh("true"))
        with pytest.raises(OSError, match="urgency range"):
            bad.result(WAIT)
        assert good.result(WAIT) == 0
        with pytest.raises(ValueError, match="expected one of alloc, clean"):
            good.add_event_callback("memo", print)
        unknown = ex.attach(5)
        with pytest.raises(ValueError, match="job ID does not match any job"):
            unknown.result(WAIT)
        with pytest.raises(ValueError, match="not a job id"):
            ex.attach("no id")
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        ex.submit(sh("true"))
    with pytest.raises(ValueError, match="threads"):
        FluxExecutor(threads=-1)
    with pytest.raises(RuntimeError, match="without threads"):
        executor(pretend, threads=0).attach(5)


def test_attach(pretend):
    h = Flux(pretend.uri)
    over, held = job.submit(h, sh("true")), job.submit(h, sh("true"), urgency=0)
    job.result(h, over)
    with executor(pretend) as ex:
        assert ex.attach(over).result(WAIT) == 0
        twice = [ex.attach(held), ex.attach(str(held))]
        told = [[], []]
        for future, list_ in zip(twice, told, strict=True):
            assert future.jobid(WAIT) == held
            for name in FluxExecutorFuture.EVENTS:
                future.add_event_callback(
                    name, lambda _, event, list_=list_: list_.append((event.timestamp, event.name))
                )
        own = ex.submit(sh("true"), urgency=0)
        also = ex.attach(own.jobid(WAIT))
        for jobid in (held, own.jobid()):
            job.set_urgency(h, jobid, 16)
        assert [future.result(WAIT) for future in (*twice, own, also)] == [0] * 4
    log = [
        (event.timestamp, event.name) for event in job.event_watch(h, held) if event.name in FluxExecutorFuture.EVENTS
    ]
    assert sorted(told[0]) == sorted(told[1]) == sorted(log)


def test_callbacks(pretend, caplog):
    calls, errors = [], []

    def impatient(future, _):
        for ask in (future.result, future.exception):
            try:
                ask()
            except RuntimeError as error:
                errors.append(str(error))
        raise LookupError("a mistake of the user's")

    with executor(pretend) as ex:
        future = ex.submit(sh("true"))
        same = (
            future.add_jobid_callback(lambda one: calls.append(one.jobid()))
            .add_event_callback("submit", impatient)
            .add_event_callback("finish", lambda _, event: calls.append(event.context["status"]))
            .add_done_callback(lambda one: calls.append(one.result()))
        )
        assert same is future
        assert future.result(WAIT) == 0
    assert calls == [future.jobid(), 0, 0]
    late = []
    future.add_jobid_callback(lambda one: late.append(one.jobid())).add_event_callback(
        "clean", lambda _, event: late.append(event.name)
    )
    assert late == [future.jobid(), "clean"]
    assert len(errors) in (0, 2), "in the thread of the executor it raises; in ours the event was replayed"
    assert "a mistake of the user's" in caplog.text


def test_cancel_before_it_is_taken_up(pretend):
    gate = threading.Event()
    ex = executor(pretend)
    first = ex.submit(sh("true")).add_jobid_callback(lambda _: gate.wait(WAIT))
    first.jobid(WAIT)
    mine, others = ex.submit(sh("true")), [ex.submit(sh("true")) for _ in range(3)]
    known = []
    mine.add_jobid_callback(known.append)
    assert mine.cancel()
    assert not first.cancel()
    assert known == [mine]
    with pytest.raises(concurrent.futures.CancelledError):
        mine.jobid()
    with pytest.raises(concurrent.futures.TimeoutError):
        others[0].jobid(0.01)
    ex.shutdown(wait=False, cancel_futures=True)
    gate.set()
    ex.shutdown()
    assert first.result() == 0
    assert all(future.cancelled() for future in (mine, *others))
    assert job.result(Flux(pretend.uri), first.jobid()).returncode == 0


def test_a_thread_that_fails(tmp_path):
    ex = FluxExecutor(handle_args=(f"local://{tmp_path}/none",))
    ex._workers[0].join()
    with pytest.raises(RuntimeError, match=r"a thread of the executor has failed: .*nobody serves"):
        ex.submit(sh("true"))
    ex.shutdown()


def test_an_instance_that_is_gone(mortal, monkeypatch):
    monkeypatch.setattr("fluxplug.client.client.PATIENCE", 0.2)
    ex = executor(mortal)
    held = ex.submit(sh("true"), urgency=0)
    held.jobid(WAIT)
    mortal.kill()
    with pytest.raises(ConnectionFailedError):
        held.result(WAIT)
    with pytest.raises(RuntimeError, match="has failed"):
        ex.attach(held.jobid())
    ex.shutdown()


def test_the_interpreter_exits_when_jobs_are_over(pretend):
    program = """if True:
        from fluxplug.job import FluxExecutor, JobspecV1
        kept = FluxExecutor(handle_args=(URI,))
        for executor in (kept, FluxExecutor(handle_args=(URI,))):
            executor.submit(JobspecV1.from_command(["true"], environment={})).add_done_callback(lambda one: print(one.result(), flush=True))
    """.replace("URI", repr(pretend.uri))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.stdout, done.stderr) == ("0\n0\n", "")
