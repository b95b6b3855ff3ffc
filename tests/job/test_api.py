"""The Python API against an instance that answers what the contract of the HTTP API says."""

from __future__ import annotations

import errno
import threading

import pytest

import fluxplug
from fluxplug import job
from fluxplug.errors import ApiError, ConnectionFailedError, JobException
from fluxplug.job import JobID, JobspecV1
from fluxplug.job.submission import MOST, MOST_BYTES, portions
from fluxplug.listing.eventlog import EventLogEvent

RUN = ("validate", "depend", "priority", "alloc", "start")


def ended(status=0):
    return [{"name": "finish", "context": {"status": status}}, "release", "free", "clean"]


def exception(kind="cancel", severity=0, note="enough"):
    return {"name": "exception", "context": {"type": kind, "severity": severity, "note": note}}


HEADER = {"name": "header", "context": {"version": 1, "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"}}}


def data(text, stream="stdout", rank="0", **more):
    return {"name": "data", "context": {"stream": stream, "rank": rank, "data": text, **more}}


def later(*calls):
    """Do things in another thread, in order."""
    thread = threading.Thread(target=lambda: [call() for call in calls])
    thread.start()
    return thread


@pytest.fixture
def jobspec():
    return JobspecV1.from_command(["true"], environment={})


# The handle.


def test_handle(instance, h):
    assert (h.get_rank(), h.attr_get("rank"), h.attr_get("size")) == (0, "0", "2")
    assert (h.attr_get("local-uri"), h.attr_get("instance-level")) == (instance.uri, "0")
    for name in ("nope", "jobid"):
        with pytest.raises(FileNotFoundError):
            h.attr_get(name)
    assert h.conf_get() == {"a": {"b": 3}}
    assert (h.conf_get("a.b"), h.conf_get("a.c", default=5), h.conf_get("a.b.c")) == (3, 5, None)
    instance.answers["/v1/config"] = {"a": {"b": 4}}
    assert (h.conf_get("a.b"), h.conf_get("a.b", update=True)) == (3, 4)
    with pytest.raises(RuntimeError, match="cannot be closed"):
        h.close()


def test_no_instance(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        fluxplug.Flux(f"local://{tmp_path}/none")
    assert isinstance(caught.value, ConnectionFailedError)
    assert fluxplug.Flux is not None
    with pytest.raises(AttributeError):
        _ = fluxplug.nope


# Submission.


def test_submit(instance, h, jobspec):
    jobid = job.submit(h, jobspec, urgency=20, waitable=True, debug=True)
    assert isinstance(jobid, JobID)
    body = {"jobspec": jobspec.jobspec, "urgency": 20, "flags": 6}
    assert instance.asked[-1] == ("POST", "/v1/jobs", body)
    assert job.submit(h, jobspec.dumps()) in instance.jobs
    assert job.submit(h, jobspec.dumps().encode()) in instance.jobs


@pytest.mark.parametrize("function", [job.submit, job.submit_async, lambda h, one: job.submit_bulk(h, [one])])
def test_what_is_no_jobspec(h, function):
    with pytest.raises(OSError, match="expected a Jobspec") as caught:
        function(h, None)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError, match="jobspec: invalid JSON"):
        function(h, "{")
    with pytest.raises(TypeError, match="not int"):
        function(h, 3)


def test_submission_is_refused(h, jobspec):
    for ask in (job.submit, lambda *args, **kw: job.submit_async(*args, **kw).get_id()):
        with pytest.raises(OSError, match=r"urgency range is \[0:31\]") as caught:
            ask(h, jobspec, urgency=32)
        assert caught.value.errno == errno.EINVAL


def test_many_at_once(instance, h, jobspec, monkeypatch):
    assert job.submit_bulk(h, []) == []
    ids = job.submit_bulk(h, [jobspec] * 2500)
    assert ids == list(instance.jobs)
    assert [len(body["jobs"]) for _, _, body in instance.asked[-3:]] == [1000, 1000, 500]
    with pytest.raises(ApiError, match="urgency") as caught:
        job.submit_bulk(h, [jobspec] * 2, urgency=99)
    assert [type(one) for one in caught.value.jobs] == [ApiError] * 2
    found = job.submit_bulk(h, [jobspec], urgency=99, return_errors=True)
    assert isinstance(found[0], OSError)


def test_a_jobspec_may_be_changed_once_it_is_handed_over(instance, h, jobspec):
    future = job.submit_async(h, jobspec)
    jobspec.setattr("system.job.name", "changed")
    future.get_id()
    assert "changed" not in str(instance.asked)


def test_requests_are_not_too_long():
    assert [len(one) for one in portions([b"x"] * (2 * MOST + 1))] == [MOST, MOST, 1]
    half = b"x" * (MOST_BYTES // 2)
    assert [len(one) for one in portions([half, half, b"x", half * 3, half, b"x"])] == [2, 1, 1, 2]
    assert list(portions([])) == []


def test_submit_async_keeps_the_order(instance, h, jobspec):
    before = len(instance.asked)
    futures = [job.submit_async(h, jobspec) for _ in range(200)]
    ids = [job.submit_get_id(future) for future in futures]
    assert ids == sorted(ids)
    assert ids == list(instance.jobs)
    assert len(instance.asked) - before < 150, "what waits goes together"
    assert futures[0].is_ready()
    assert futures[0].get_flux() is h


# Futures.


def test_callbacks_are_called_by_the_reactor(instance, h, jobspec):
    got = []
    future = job.submit_async(h, jobspec).then(
        lambda future, *args, **kw: got.append((future.get_id(), args, kw)), 1, x=2
    )
    future.wait_for(10)
    assert got == []
    assert h.reactor_run() == 1
    assert got == [(next(iter(instance.jobs)), (1,), {"x": 2})]
    assert h.reactor_run() == 0
    for wrong, kind in ((None, ValueError), (print, FileExistsError)):
        with pytest.raises(kind):
            job.submit_async(h, jobspec).then(print).then(wrong)


def test_errors_of_callbacks_come_out_of_the_reactor(h, jobspec):
    job.submit_async(h, jobspec, urgency=99).then(lambda future: future.get_id())
    with pytest.raises(OSError, match="urgency"):
        h.reactor_run()
    assert h.reactor_run() == 0


def test_a_chain_of_callbacks(instance, h, jobspec):
    got = []

    def submitted(future):
        jobid = future.get_id()
        job.result_async(h, jobid).then(done)
        instance.log(jobid, *RUN, *ended(3 << 8))

    def done(future):
        got.append(future.get_info())

    for _ in range(3):
        job.submit_async(h, jobspec).then(submitted)
    assert h.reactor_run() == 6
    assert [info.returncode for info in got] == [3, 3, 3]


def test_the_reactor_is_stopped(instance, h):
    jobid = instance.add()
    job.result_async(h, jobid).then(print)
    later(h.reactor_stop).join()
    assert h.reactor_run() == 0
    h.reactor_stop_error()
    with pytest.raises(OSError, match="stopped") as caught:
        h.reactor_run()
    assert caught.value.errno == errno.ECANCELED


def test_time_limits_of_futures(instance, h):
    future = job.result_async(h, instance.add())
    with pytest.raises(TimeoutError):
        future.wait_for(0.01)
    assert not future.is_ready()
    assert future.error_string() == ""
    other = job.result_async(h, instance.add())
    got = []
    other.then(lambda one: got.append(one.error_string()), timeout=0.01)
    h.reactor_run()
    assert got == ["no answer within 0.01 s"]
    future.then(print)
    future.stop()
    assert h.reactor_run() == 0


def test_ends_of_many_jobs_are_one_stream(instance, h):
    ids = [instance.add(events=RUN) for _ in range(300)]
    got = []
    for jobid in [*ids, ids[0], 5]:
        job.result_async(h, jobid).then(
            lambda future: got.append(future.error_string() or future.get_info().returncode)
        )
    instance.log(ids[0], *ended())
    thread = later(lambda: [instance.log(jobid, *ended(3 << 8)) for jobid in ids[1:]])
    assert h.reactor_run() == 302
    thread.join()
    assert sorted(got, key=str) == [0, 0, *[3] * 299, "unknown job id"]
    streams = [path for _, path, _ in instance.asked if path == "/v1/events"]
    assert len(streams) <= 2
    assert job.result_async(h, ids[5]).wait_for(10).get_dict()["id"] == ids[5]
    assert {thread.name for thread in threading.enumerate()} & {"fluxplug-future"} == set()


def test_the_instance_ends_while_jobs_run(instance, h):
    future = job.result_async(h, instance.add(events=RUN))
    assert not future.is_ready()
    later(lambda: future.wait_for(10))
    with instance.changed:
        instance.closing = True
        instance.changed.notify_all()
    with pytest.raises(ConnectionFailedError, match="has ended"):
        future.wait_for(10).get()


# Changing jobs.


def test_control(instance, h):
    jobid = instance.add()
    job.cancel(h, jobid)
    job.cancel_async(h, str(jobid), "why").get()
    job.job_raise(h, int(jobid), "x", 3, "note")
    job.job_raise_async(h, jobid.dothex, "y").get()
    job.kill(h, jobid)
    job.kill_async(h, jobid, 9).get()
    assert job.set_urgency(h, jobid, 3) == 16
    job.update(h, jobid, {"attributes.system.duration": 60})
    job.memo(h, jobid, {"a": 1}, volatile=True)
    assert [(path.rpartition("/")[2], body) for _, path, body in instance.asked[-9:]] == [
        ("raise", {"type": "cancel", "severity": 0, "note": ""}),
        ("raise", {"type": "cancel", "severity": 0, "note": "why"}),
        ("raise", {"type": "x", "severity": 3, "note": "note"}),
        ("raise", {"type": "y", "severity": 0, "note": ""}),
        ("kill", {"signum": 15}),
        ("kill", {"signum": 9}),
        ("urgency", {"urgency": 3}),
        ("update", {"updates": {"attributes.system.duration": 60}}),
        ("memo", {"memo": {"a": 1}, "volatile": True}),
    ]
    with pytest.raises(FileNotFoundError, match="unknown job id"):
        job.cancel(h, 5)
    with pytest.raises(OSError, match="severity") as caught:
        job.job_raise(h, jobid, "x", 8)
    assert caught.value.errno == errno.EPROTO
    with pytest.raises(ValueError, match="not a job id"):
        job.kill(h, "../../purge")


# Waiting.


def test_result(instance, h):
    jobid = instance.add(events=RUN)
    future = job.result_async(h, jobid)
    thread = later(lambda: instance.log(jobid, *ended(7 << 8)))
    info = job.result(h, jobid)
    thread.join()
    assert (info.id, info.result, info.returncode, info.waitstatus) == (jobid, "FAILED", 7, 7 << 8)
    assert info.runtime > 0
    assert future.get_dict()["id"] == int(jobid)
    assert future.get_dict()["result"] == 2
    with pytest.raises(FileNotFoundError):
        job.result(h, 5)


def test_wait_for_waitable_jobs(instance, h):
    with pytest.raises(ChildProcessError, match="no more waitable"):
        job.wait(h)
    assert instance.asked[-1][2] == {"id": None}
    with pytest.raises(ChildProcessError):
        job.wait_get_status(job.wait_async(h, 5))
    assert instance.asked[-1][2] == {"id": "5"}


def test_get_job(instance, h):
    jobid = instance.add(events=[*RUN, *ended()])
    found = job.get_job(h, jobid)
    assert (found["id"], found["state"], found["result"], found["returncode"]) == (
        int(jobid),
        "INACTIVE",
        "COMPLETED",
        0,
    )
    assert job.get_job(h, 5) is None


def test_timeleft(instance, h, monkeypatch):
    jobid = instance.add(record={"expiration": 4e9})
    instance.answers["/v1/resources"] = {"all": {"execution": {"expiration": 0.0}}}
    assert job.timeleft() == float("inf")
    monkeypatch.setenv("FLUX_JOB_ID", str(jobid))
    assert job.timeleft(h) > 1e9
    instance.jobs[jobid]["expiration"] = 1.0
    assert job.timeleft(h) == 0


# Events.


def test_event_watch(instance, h):
    jobid = instance.add(events=["validate"])
    events = job.event_watch(h, jobid)
    assert [next(events).name, next(events).name] == ["submit", "validate"]
    instance.log(jobid, "depend", "clean")
    rest = list(events)
    assert [event.name for event in rest] == ["depend", "clean"]
    assert isinstance(rest[0], EventLogEvent)
    assert [event.name for event in job.event_watch(h, jobid, "guest.exec.eventlog")] == []
    with pytest.raises(FileNotFoundError):
        list(job.event_watch(h, 5))


def test_event_watch_async(instance, h):
    jobid = instance.add(events=["validate"])
    future = job.event_watch_async(h, jobid)
    assert future.get_event().name == "submit"
    assert future.get_event(autoreset=False).name == "validate"
    assert future.get_event().name == "validate"
    instance.log(jobid, "clean")
    assert future.get_event().name == "clean"
    assert future.get_event() is None
    assert future.get_event() is None
    future = job.event_watch_async(h, jobid)
    future.get_event()
    future.cancel()
    assert future.get_event() is None


def test_event_watch_in_the_reactor(instance, h):
    jobid = instance.add()
    got = []

    def event(future):
        one = future.get_event()
        got.append(one and one.name)
        if len(got) == 1:
            instance.log(jobid, "validate", "clean")

    assert job.event_watch_async(h, jobid).then(event).get_flux() is h
    assert h.reactor_run() == 4
    assert got == ["submit", "validate", "clean", None]
    job.event_watch_async(h, jobid).then(lambda _: got.append("once"))  # which takes nothing
    assert h.reactor_run() == 1
    job.event_watch_async(h, 5).then(lambda future: future.get_event())
    with pytest.raises(FileNotFoundError):
        h.reactor_run()


def test_event_wait(instance, h):
    jobid = instance.add(events=RUN)
    assert job.event_wait(h, jobid, "start").name == "start"
    instance.log(jobid, exception(severity=3), exception(), "clean")
    assert job.event_wait(h, jobid, "exception").context["severity"] == 3
    with pytest.raises(JobException, match=r"job.exception: type=cancel: enough") as caught:
        job.event_wait(h, jobid, "finish")
    assert (caught.value.severity, caught.value.note, caught.value.type) == (0, "enough", "cancel")
    assert job.event_wait(h, jobid, "clean", raiseJobException=False).name == "clean"
    with pytest.raises(OSError, match="eventlog ended before event='nope'") as ended_early:
        job.event_wait(h, jobid, "nope", raiseJobException=False)
    assert ended_early.value.errno == errno.ENODATA
    assert {"submit", "alloc", "clean", "exception"} < job.MAIN_EVENTS


# Journals.


def test_journal(instance, h):
    first = instance.add({"v": 1}, events=[*RUN, *ended()])
    second = instance.add({"v": 2})
    consumer = job.JournalConsumer(h, include_sentinel=True)
    with pytest.raises(RuntimeError):
        consumer.poll()
    assert consumer.start() is consumer
    with pytest.raises(RuntimeError):
        consumer.start()
    past = []
    while not (event := consumer.poll(10)).is_empty():
        past.append(event)
    assert event is job.SENTINEL_EVENT
    assert (past[0].jobid, past[0].name, past[0].jobspec, past[0].R) == (first, "submit", {"v": 1}, None)
    assert len(past) == 11
    with pytest.raises(TimeoutError):
        consumer.poll(0.01)
    instance.log(second, "alloc", R={"version": 1})
    event = consumer.poll(10)
    assert (event.jobid, event.name, event.R) == (second, "alloc", {"version": 1})
    assert str(event).startswith(f"{second}: ")
    consumer.stop()
    assert consumer.poll(10) is None
    assert consumer.poll() is None


def test_parts_of_the_journal(instance, h):
    instance.add(events=[*RUN, *ended()])
    second = instance.add()
    active = job.JournalConsumer(h, full=False, include_sentinel=True).start()
    assert active.poll(10).jobid == second
    assert active.poll(10).is_empty()
    instance.log(second, "validate")
    assert active.poll(10).name == "validate"
    active.stop()
    recent = job.JournalConsumer(h, since=instance.journal[-2]["event"]["timestamp"]).start()
    assert recent.poll(10).name == "validate"
    recent.stop()


def test_journal_in_the_reactor(instance, h):
    jobid = instance.add()
    consumer = job.JournalConsumer(h)
    got = []

    def event(one, word):
        got.append(one and one.name)
        assert word == "x"
        if one and one.name == "submit":
            instance.log(jobid, "validate")
        elif one:
            consumer.stop()

    consumer.start().set_callback(event, word="x")
    h.reactor_run()
    assert got == ["submit", "validate", None]


# Output.


def test_job_output(instance, h):
    output = [HEADER, data("a\n"), data("b\n", rank="1"), data("e\n", "stderr")]
    output.append({"name": "log", "context": {"level": 4, "message": "hm", "rank": 0}})
    jobid = instance.add(events=[*RUN, *ended()], output=output)
    assert job.job_output(h, jobid) == ("a\nb\n", "e\nflux-shell[0]:  WARN: hm\n", "")
    found = job.job_output(h, jobid, tasks="1", labelio=True, log_stderr_level=3)
    assert found == ("1: b\n", "", "flux-shell[0]:  WARN: hm\n")


def test_output_that_is_not_there(instance, h):
    jobid = instance.add(events=["validate"])
    with pytest.raises(FileNotFoundError):
        job.job_output(h, jobid, nowait=True)
    instance.log(jobid, exception(), "clean")
    with pytest.raises(JobException, match="type=cancel"):
        job.job_output(h, jobid)
    assert list(job.output_watch(h, jobid)) == [("stderr", "job.exception: type=cancel severity=0 enough\n")]
    with pytest.raises(FileNotFoundError):
        list(job.output_watch(h, 5))


def test_output_as_it_comes(instance, h):
    jobid = instance.add(events=RUN, output=[HEADER, data("one "), data("x", rank="1")])
    pieces, lines = job.output_watch(h, jobid), job.output_watch_lines(h, jobid, labelio=True)
    assert next(pieces) == ("stdout", "one ")
    moved = {"name": "redirect", "context": {"stream": "stderr", "rank": "0", "path": "f"}}
    instance.log(jobid, data("two\nthree\n"), data("y", rank="1"), moved, log="guest.output")
    assert next(lines) == ("stdout", "0: one two")
    instance.log(jobid, exception("timeout"), *ended(142 << 8))
    told = ("stderr", "job.exception: type=timeout severity=0 enough\n")
    redirected = ("stderr", "0: stderr redirected to f\n")
    assert list(pieces) == [("stdout", "x"), ("stdout", "two\nthree\n"), ("stdout", "y"), redirected, told]
    rest = [("stdout", "0: three"), ("stderr", "0: stderr redirected to f"), ("stdout", "1: xy")]
    assert list(lines) == [*rest, ("stderr", told[1].rstrip("\n"))]
    names = [event.name for event in job.output_event_watch(h, jobid)]
    assert names == ["header", "data", "data", "data", "data", "redirect", "exception"]


def test_output_by_futures(instance, h):
    jobid = instance.add(events=[*RUN, *ended()], output=[HEADER, data("a\nb\n")])
    pieces = job.output_watch_async(h, jobid)
    assert [pieces.get_output(), pieces.get_output()] == [("stdout", "a\nb\n"), (None, None)]
    lines = job.output_watch_lines_async(h, jobid, keepends=True)
    assert [lines.getline() for _ in range(3)] == [("stdout", "a\n"), ("stdout", "b\n"), (None, None)]
    events = job.output_event_watch_async(h, jobid)
    assert [events.get_event().name, events.get_event().name, events.get_event()] == ["header", "data", None]
    got = []
    job.output_watch_lines_async(h, jobid).then(lambda future: got.append(future.getline()))
    h.reactor_run()
    assert got == [("stdout", "a"), ("stdout", "b"), (None, None)]


# Listings.


def test_job_list(instance, h, monkeypatch):
    jobid = instance.add()
    monkeypatch.setattr("os.getuid", lambda: 1000)
    (record,) = job.job_list(h).get_jobs()
    assert record["id"] == int(jobid)
    assert instance.asked[-1][2] == {
        "max_entries": 1000,
        "attrs": ["all"],
        "since": 0.0,
        "constraint": {"and": [{"userid": [1000]}]},
    }
    job.job_list(h, 5, ["id"], 7, 8, 4, 1.5, "name", ["a", "b"], {"ranks": ["0"]}).get_jobinfos()
    assert instance.asked[-1][2] == {
        "max_entries": 5,
        "attrs": ["id"],
        "since": 1.5,
        "constraint": {
            "and": [
                {"userid": [7]},
                {"or": [{"states": [8]}, {"results": [4]}]},
                {"name": ["name"]},
                {"queue": ["a", "b"]},
                {"ranks": ["0"]},
            ]
        },
    }
    job.job_list_inactive(h, since=2.0, name="x").get()
    assert instance.asked[-1][2]["constraint"] == {"and": [{"states": [64]}, {"name": ["x"]}]}
    assert job.job_list_id(h, jobid).get_jobinfo().id == jobid
    assert job.job_list_id(h, jobid).get_job()["urgency"] == 16
    with pytest.raises(FileNotFoundError):
        job.job_list_id(h, 5).get_job()


def test_job_list_by_names(instance, h):
    one, two = instance.add(), instance.add()
    found = job.JobList(h, ids=[two, "f5", str(one)])
    assert [info.id for info in found.jobs()] == [two, one]
    assert found.errors == ["JobID f5 unknown"]
    found = job.JobList(h, filters=["Running,failed", "timeout"], user="all")
    assert (found.states, found.results) == (48, 10)
    found.jobs()
    assert instance.asked[-1][2]["constraint"] == {"and": [{"or": [{"states": [48]}, {"results": [10]}]}]}
    assert job.JobList(h, user="12").userid == 12
    assert job.JobList(h, user="root").userid == 0
    with pytest.raises(ValueError, match="Invalid filter specified: x"):
        job.JobList(h, filters=["x"])
    with pytest.raises(ValueError, match="no such user"):
        job.JobList(h, user="no such user")


def test_lookup(instance, h):
    jobid = instance.add()
    found = job.job_kvs_lookup(h, jobid, ["jobspec", "R", "eventlog"], base=True)
    assert found["id"] == int(jobid)
    assert found["jobspec"] == {"key": "jobspec", "base": "true"}
    assert found["R"] == {"key": "R"}
    assert found["eventlog"].startswith('{"name":"submit"')
    assert job.job_kvs_lookup(h, jobid, decode=False, original=True)["jobspec"] == '{"key":"jobspec","original":"true"}'
    assert job.job_kvs_lookup(h, jobid, ["guest.output"]) is None
    assert job.job_info_lookup(h, jobid).get_decode()["jobspec"]["key"] == "jobspec"
    lookup = job.JobKVSLookup(h, [jobid, 5], ["eventlog"])
    assert [one["id"] for one in lookup.data()] == [int(jobid)]
    assert lookup.errors == [f"JobID {JobID(5).orig}: unknown job id"]
