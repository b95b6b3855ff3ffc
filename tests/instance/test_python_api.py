"""The Python API against a real instance: real tasks on two pretended hosts, and a server that is killed and comes back."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest

from fluxplug import Flux, job
from fluxplug.errors import ConnectionFailedError, JobException, UnknownOutcomeError
from fluxplug.job import JobspecV1, JobWatcher
from fluxplug.job.kvs import walk
from fluxplug.queue import QueueList
from fluxplug.resource import ResourceJournalConsumer, resource_list, resource_status


def start(statedir, *options):
    """A server on two pretended hosts, ready when this returns."""
    program = [sys.executable, "-m", "fluxplug", "start", "--test-size", "2", "--statedir", str(statedir), *options]
    with (statedir.parent / "server-log").open("ab") as log:
        server = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
    try:
        assert server.stdout.readline().startswith(b"local://"), (statedir.parent / "server-log").read_text()
    except BaseException:
        end(server)
        raise
    return server


def end(server):
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    server.stdout.close()


@contextmanager
def serving(statedir, *options):
    """A list of the server, for whoever replaces it; the last one is ended in the end, with its agents."""
    servers = [start(statedir, *options)]
    try:
        yield servers
    finally:
        for server in servers:
            end(server)


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    statedir = tmp_path_factory.mktemp("instance") / "state"
    with serving(statedir):
        yield f"local://{statedir}/local-0"


@pytest.fixture
def h(uri, monkeypatch):
    monkeypatch.delenv("FLUX_JOB_ID", raising=False)
    return Flux(uri)


def sh(script, **kwargs):
    return JobspecV1.from_command(["sh", "-c", script], **kwargs)


def test_a_job(h):
    jobid = job.submit(h, sh("echo out; echo err >&2; exit 3", num_tasks=2))
    info = job.result(h, jobid)
    assert (info.id, info.returncode, info.result) == (jobid, 3, "FAILED")
    assert job.job_output(h, jobid) == ("out\nout\n", "err\nerr\n", "")
    assert job.job_output(h, jobid, tasks="1", labelio=True) == ("1: out\n", "1: err\n", "")
    names = [event.name for event in job.event_watch(h, jobid)]
    assert (names[0], names[-1]) == ("submit", "clean")
    assert "done" in {event.name for event in job.event_watch(h, jobid, "guest.exec.eventlog")}
    found = job.get_job(h, jobid)
    assert (found["name"], found["ntasks"], found["result"]) == ("sh", 2, "FAILED")
    assert job.job_kvs_lookup(h, jobid)["jobspec"]["tasks"][0]["command"][0] == "sh"
    assert [one.id for one in job.JobList(h, ids=[jobid]).jobs()] == [jobid]
    assert jobid in {one.id for one in job.JobList(h, filters=["failed"]).jobs()}


def test_the_keys_of_a_job(h):
    jobid = job.submit(h, sh("echo out", duration=60), urgency=0)
    keys = job.job_kvs(h, jobid)
    assert (list(keys), len(keys), keys.exists("R"), "guest" in keys) == (["eventlog", "jobspec"], 2, False, False)
    job.update(h, jobid, {"attributes.system.duration": 50})
    job.set_urgency(h, jobid, 16)
    job.result(h, jobid)
    assert (keys.files(), keys.directories()) == keys.list_all() == (["R", "eventlog", "jobspec"], ["guest"])
    assert keys["jobspec"]["attributes"]["system"]["duration"] == 50
    assert keys["eventlog"].startswith('{"timestamp":')
    guest = job.job_kvs_guest(h, jobid)
    assert list(guest) == ["exec", "output"]
    assert guest.key_at("output") == "guest.output"
    assert keys["guest"]["exec"]["eventlog"] == keys["guest.exec.eventlog"] == guest["exec.eventlog"]
    assert not guest.exists("input")
    for name in ("input", "nope", "exec.nope", ""):
        with pytest.raises(KeyError):
            guest[name]
    below = [("guest.exec", [], ["eventlog"]), ("guest", ["exec"], ["output"])]
    top = ("", ["guest"], ["R", "eventlog", "jobspec"])
    assert list(walk(keys)) == [*below, top]
    assert list(walk(keys, topdown=True)) == [top, *reversed(below)]
    for ask in (job.job_kvs, job.job_kvs_guest):
        with pytest.raises(FileNotFoundError, match="unknown job id"):
            ask(h, 5)


def test_the_jobspec_before_updates(h):
    jobid = job.submit(h, sh("true", duration=60, environment={"A": "b"}), urgency=0)
    job.update(h, jobid, {"attributes.system.duration": 50})
    found = {}
    for name in ("", "base", "original"):
        lookup = job.JobKVSLookup(h, [jobid], **({name: True} if name else {}))
        (one,) = lookup.data()
        assert one == job.job_kvs_lookup(h, jobid, **({name: True} if name else {}))
        found[name] = one["jobspec"]["attributes"]["system"]
    assert [one["duration"] for one in found.values()] == [50, 60, 60]
    assert [one.get("environment") for one in found.values()] == [None, None, {"A": "b"}]
    job.cancel(h, jobid)


def test_what_is_refused(h):
    for ask, kind, text in (
        (lambda: job.submit(h, "{}"), PermissionError, "Missing key"),
        (lambda: job.submit(h, sh("true"), urgency=32), OSError, r"urgency range is \[0:31\]"),
        (lambda: job.cancel(h, 5), FileNotFoundError, "unknown job id"),
        (lambda: job.result(h, 5), FileNotFoundError, "unknown"),
        (lambda: list(job.event_watch(h, 5)), FileNotFoundError, "unknown"),
        (lambda: job.wait(h), ChildProcessError, "no more waitable"),
    ):
        with pytest.raises(kind, match=text):
            ask()


def test_waitable_jobs(h):
    good, bad = (job.submit(h, sh(f"exit {code}"), waitable=True) for code in (0, 2))
    future = job.wait_async(h, bad)
    assert job.wait(h, good) == (good, True, b"")
    assert future.get_status() == (bad, False, b"task(s) exited with exit code 2")
    with pytest.raises(ChildProcessError):
        job.wait(h, good)


def test_cancel_and_kill(h):
    one, two = (job.submit(h, sh("echo up; sleep 100")) for _ in range(2))
    for jobid in (one, two):
        assert next(job.output_watch_lines(h, jobid)) == ("stdout", "up")
    job.cancel(h, one, "enough")
    job.kill(h, two, signal.SIGKILL)
    info = job.result(h, one)
    assert (info.result, info.exception.type, info.exception.note) == ("CANCELED", "cancel", "enough")
    assert job.result(h, two).returncode == 137
    with pytest.raises(FileNotFoundError, match="job is inactive"):
        job.cancel(h, one)
    held = job.submit(h, sh("true"), urgency=0)
    assert job.set_urgency(h, held, 0) == 0
    job.memo(h, held, {"a": 1})
    job.update(h, held, {"attributes.system.duration": 60})
    job.cancel(h, held)
    with pytest.raises(JobException, match="type=cancel"):
        job.job_output(h, held)
    with pytest.raises(JobException):
        job.event_wait(h, held, "start")
    assert job.result(h, held).returncode == -128


def test_output_that_is_no_text(h):
    jobid = job.submit(h, sh(r"printf 'a\377\n'; printf end"))
    assert job.job_output(h, jobid).stdout.encode(errors="surrogateescape") == b"a\xff\nend"
    assert [line for _, line in job.output_watch_lines(h, jobid)] == ["a\udcff", "end"]


def test_many_jobs(h):
    out, err = io.StringIO(), io.StringIO()
    ids = job.submit_bulk(h, [sh(f"echo {number}; exit {number % 3}") for number in range(60)])
    watcher = JobWatcher(h, jobs=ids[:30], stdout=out, stderr=err).start()
    watcher.add_jobs(*ids[30:])
    assert watcher.wait(60) == 2
    assert sorted(map(int, out.getvalue().split())) == list(range(60))
    assert err.getvalue() == ""


def test_callbacks(h):
    got = []

    def submitted(future):
        job.event_watch_async(h, future.get_id()).then(event, future.get_id())

    def event(future, jobid):
        found = future.get_event()
        if found is None:
            job.result_async(h, jobid).then(lambda one: got.append(one.get_info().returncode))

    for code in range(5):
        job.submit_async(h, sh(f"exit {code}")).then(submitted)
    h.reactor_run()
    assert sorted(got) == [0, 1, 2, 3, 4]


def test_journal(h):
    jobid = job.submit(h, sh("true"))
    job.result(h, jobid)
    consumer = job.JournalConsumer(h, include_sentinel=True).start()
    past = []
    while not (event := consumer.poll(10)).is_empty():
        past.append(event)
    mine = [event for event in past if event.jobid == jobid]
    assert [mine[0].name, mine[-1].name] == ["submit", "clean"]
    assert mine[0].jobspec["version"] == 1
    assert [event.R["version"] for event in mine if event.name == "alloc"] == [1]
    other = job.submit(h, sh("true"))
    live = [consumer.poll(10) for _ in range(10)]
    assert [event.name for event in live if event.jobid == other][-1] == "clean"
    consumer.stop()
    resources = ResourceJournalConsumer(h).start()
    names = {resources.poll(10).name for _ in range(2)}
    resources.stop()
    assert names & {"restart", "resource-define", "online"}


def test_resources_and_queues(h):
    found = resource_list(h).get()
    assert (found.all.nnodes, found.down.nnodes) == (2, 0)
    status = resource_status(h).get()
    assert (str(status.all), str(status.avail)) == ("0-1", "0-1")
    (queue,) = QueueList(h)
    assert (queue.name, queue.started, queue.resources.all.nnodes) == ("", True, 2)
    assert h.attr_get("size") == "2"
    assert h.conf_get("sched.executor") == "local"
    assert job.timeleft(h) == float("inf")


def test_a_task_reaches_its_instance(h):
    script = "import fluxplug; h = fluxplug.Flux(); from fluxplug.job import timeleft; print(h.attr_get('size'), timeleft(h) > 10)"
    jobspec = JobspecV1.from_command([sys.executable, "-c", script], duration=60)
    assert job.job_output(h, job.submit(h, jobspec)).stdout == "2 True\n"


def kill(server, h):
    server.kill()


def shut_down(server, h):
    """As `fluxplug shutdown --leave`: in order, and jobs go on."""
    h.client.post("/v1/shutdown", {"leave": True})


@pytest.mark.parametrize("stop", [kill, shut_down])
def test_a_server_ends_and_another_one_goes_on(tmp_path, stop):
    statedir = tmp_path / "state"
    with ExitStack() as stack:
        servers = stack.enter_context(serving(statedir))
        h = Flux(f"local://{statedir}/local-0")
        stack.callback(h.client.close)
        gate = tmp_path / "gate"
        jobid = job.submit(h, sh(f"echo one; while ! test -e {gate}; do sleep 0.05; done; echo two; exit 4"))
        lines, events = job.output_watch_lines(h, jobid), job.event_watch(h, jobid)
        assert next(lines) == ("stdout", "one")
        assert next(events).name == "submit"
        out = io.StringIO()
        watcher = JobWatcher(h, jobs=[jobid], stdout=out).start()
        got = []
        waiting = threading.Thread(target=lambda: got.append(job.result(h, jobid).returncode))
        waiting.start()
        future = job.result_async(h, jobid).then(lambda done: got.append(done.get_info().returncode))
        command = [sys.executable, "-m", "fluxplug", "job", "attach", f"--uri={h.client.uri}", str(jobid)]
        attached = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        stack.enter_context(attached)
        stack.callback(attached.kill)
        assert attached.stdout.readline() == "one\n"
        consumer = job.JournalConsumer(h).start()
        assert consumer.poll(10).name == "submit"
        stop(servers[0], h)
        servers[0].wait(30)
        with pytest.raises(ConnectionFailedError, match="nobody serves"):
            job.submit(h, sh("true"))
        servers.append(start(statedir))
        gate.touch()
        waiting.join(60)
        assert got == [4]
        assert attached.communicate(timeout=30) == ("two\n", None)
        assert attached.returncode == 4
        h.reactor_run()
        assert got == [4, 4]
        assert future.is_ready()
        assert list(lines) == [("stdout", "two")]
        names = [event.name for event in events]
        assert names[-1] == "clean"
        assert len(names) == len(set(names)), "nothing comes twice"
        assert watcher.wait(30) == 4
        assert out.getvalue() == "one\ntwo\n"
        seen = ["submit"]
        while seen[-1] != "clean":
            seen.append(consumer.poll(10).name)
        assert seen == ["submit", *names]
        consumer.stop()


def test_a_port_and_a_token(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    statedir = tmp_path / "state"
    with serving(statedir, "--listen", address):
        monkeypatch.delenv("FLUXPLUG_TOKEN", raising=False)
        with pytest.raises(PermissionError, match="FLUXPLUG_TOKEN_FILE"):
            Flux(f"http://{address}")
        monkeypatch.setenv("FLUXPLUG_TOKEN_FILE", str(statedir / "token"))
        h = Flux(f"http://{address}")
        assert list(job.output_watch_lines(h, job.submit(h, sh("echo a")))) == [("stdout", "a")]


def test_an_answer_that_is_lost(tmp_path):
    statedir = tmp_path / "state"
    with serving(statedir) as servers:
        h = Flux(f"local://{statedir}/local-0")
        servers[0].send_signal(signal.SIGSTOP)
        errors = []

        def submit():
            try:
                job.submit(h, sh("true"))
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=submit)
        thread.start()
        thread.join(0.3)  # it waits for an answer that does not come
        servers[0].kill()
        servers[0].wait()
        thread.join(10)
        assert [type(error).__mro__[1] for error in errors] == [UnknownOutcomeError]
        servers.append(start(statedir))
        assert len(job.job_list(h).get_jobs()) <= 1, "once, or not at all"
