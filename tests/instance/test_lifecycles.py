"""The recorded jobs, run on a live instance of two hosts with two cores each: same events, contexts, output, R and results."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections import Counter

import pytest

from fluxplug.errors import ApiError
from fluxplug.instance.record import COMPLETED
from fluxplug.job import JobInfo
from fluxplug.values.jobid import JobID

HOST = socket.gethostname()
OURS_ALONE = {"FLUXPLUG_URI"}
THEIRS_ALONE = {
    "FLUX_PMI_LIBRARY_PATH",
    "FLUX_TERMINUS_SESSION",
}  # a library of theirs; a leftover of the recording's shell
# What happens to a job after its submission: an event to wait for, and what to ask for then.
ACTS = {
    "cancel running": [("start", "raise", {"note": "because"})],
    "kill 15": [("start", "kill", {"signum": signal.SIGTERM})],
    "cancel pending held": [("priority", "raise", {})],
    "urgency memo update": [
        ("priority", "memo", {"memo": {"k": "v"}}),
        ("memo", "update", {"updates": {"attributes.system.duration": 60}}),
        ("jobspec-update", "urgency", {"urgency": 5}),
    ],
}


def prepared(name, jobspec, server):
    """The recorded jobspec, with what it names replaced by the like of it here."""
    system = jobspec["attributes"]["system"]
    system["environment"] = {"PATH": "/usr/bin:/bin"}
    for dependency in system.get("dependencies", ()):
        if name == "afterok fails":
            dependency["value"] = failed = server.submit(plain("false", jobspec))
            server.result(failed)
        elif name == "afterany":
            dependency["value"] = server.submit(plain("true", jobspec))
        elif name == "begin-time":
            dependency["value"] = str(time.time() + 0.3)
    return jobspec


def plain(command, jobspec):
    copy = json.loads(json.dumps(jobspec))
    copy["tasks"][0]["command"] = [command]
    copy["attributes"]["system"].pop("dependencies")
    return copy


def events(log):
    """Names and contexts, without what differs from run to run."""
    found = []
    for event in log:
        context = json.loads(json.dumps(event.get("context") or {}))
        if "description" in context:
            context["description"] = context["description"].partition("=")[0]
        if "note" in context:
            context["note"] = re.sub(r"ƒ\w+", "ƒ", context["note"]).replace("host vm", f"host {HOST}")
        for key in ("pid", "service", "file", "line"):
            context.pop(key, None)
        if "message" in context:
            context["message"] = context["message"].replace("host vm", f"host {HOST}")
        found.append((event["name"], json.dumps(context, sort_keys=True, ensure_ascii=False)))
    return found


def output(log):
    """The header, the logs, and what each task wrote to each stream, with its end."""
    whole: dict[tuple[str, str], str] = {}
    rest = []
    for event in log:
        context = event["context"]
        if event["name"] == "data":
            key = (context["stream"], context["rank"])
            whole[key] = whole.get(key, "") + context.get("data", "") + ("<eof>" if context.get("eof") else "")
        else:
            rest.append(event)
    texts = {key: text.replace("vm\n", f"{HOST}\n") if text == "vm\n<eof>" else text for key, text in whole.items()}
    return sorted(events(rest)), texts


def environment(text):
    lines = dict(line.partition("=")[::2] for line in text.replace("<eof>", "").splitlines())
    for name in OURS_ALONE | THEIRS_ALONE:
        lines.pop(name, None)
    shape = {"FLUX_JOB_ID": r"ƒ\w+", "FLUX_JOB_ID_PATH": r"/ƒ\w+", "FLUX_KVS_NAMESPACE": r"job-\d+", "PMI_FD": r"\d+", "FLUX_URI": "local://.*",
             "FLUX_JOB_TMPDIR": r".*/jobtmp-\d-\S+"}  # fmt: skip
    for name, pattern in shape.items():
        assert re.fullmatch(pattern, lines[name]), (name, lines[name])
        lines[name] = pattern
    return lines


def test_recorded_jobs_live_again(server, vectors):
    recorded = vectors("job_lifecycles")["jobs"]
    assert len(recorded) == 24
    two = server("--test-size", "2", "--cores", "2")
    for name, job in recorded.items():
        spec = prepared(name, json.loads(json.dumps(job["jobspec"])), two)
        if "submit_error" in job:
            with pytest.raises(OSError) as caught:  # noqa: PT011 - compared below
                two.submit(spec)
            assert f"OSError: [Errno {caught.value.errno}] {caught.value.strerror}" == job["submit_error"], name
            continue
        submit = job["eventlog"][0]["context"]
        jobid = two.submit(spec, urgency=submit["urgency"], flags=submit["flags"])
        for event, request, body in ACTS.get(name, ()):
            two.until(jobid, event)
            two.client.post(f"/v1/jobs/{jobid}/{request}", body)
        result = two.result(jobid)
        assert events(two.events(jobid)) == events(job["eventlog"]), name
        if job.get("exec_eventlog"):
            ours, theirs = (
                Counter(events(two.events(jobid, "guest.exec.eventlog"))),
                Counter(events(job["exec_eventlog"])),
            )
            if name == "cancel running":  # there, the signal ended the shell itself
                ours -= Counter({key: 9 for key in ours if key[0].startswith("shell.")})
                theirs -= Counter({key: 9 for key in theirs if key[0].startswith("shell.")})
            if job["get_job"]["ntasks"] > 1:  # which task ends first is a race
                ours, theirs = (Counter(key[0] for key in one.elements()) for one in (ours, theirs))
            assert ours == theirs, name
        if job.get("output"):
            (ours_rest, ours), (theirs_rest, theirs) = output(two.events(jobid, "guest.output")), output(job["output"])
            assert ours_rest == theirs_rest, name
            if name == "env":
                ours, theirs = (
                    {key: environment(text) if "=" in text else text for key, text in one.items()}
                    for one in (ours, theirs)
                )
            assert ours == theirs, name
        if job["R"] is None:
            with pytest.raises(ApiError):
                two.client.get(f"/v1/jobs/{jobid}/R")
        else:
            document = two.client.get(f"/v1/jobs/{jobid}/R")
            execution = document["execution"]
            assert bool(execution["expiration"]) == bool(job["R"]["execution"]["expiration"]), name
            execution["starttime"] = job["R"]["execution"]["starttime"]
            execution["expiration"] = job["R"]["execution"]["expiration"]
            execution["nodelist"] = [hosts.replace(HOST, "vm") for hosts in execution["nodelist"]]
            assert document == job["R"], name
        assert (result["result"] == COMPLETED) == (job["result"]["result"] == "COMPLETED"), name
        record = two.client.get(f"/v1/jobs/{jobid}")["job"]
        info = JobInfo({**record, "id": JobID(record["id"])})
        listed = job["get_job"]
        for key in (
            "result",
            "returncode",
            "waitstatus",
            "status",
            "state",
            "urgency",
            "priority",
            "ntasks",
            "ncores",
            "nnodes",
            "ranks",
            "success",
        ):
            assert getattr(info, key) == listed[key], (name, key)


def test_a_job_goes_on_without_its_server(server):
    """SIGKILL of the server: what runs runs on, what waits waits on, and nothing starts twice."""
    from .conftest import jobspec

    one = server("--test-size", "2", "--cores", "1")
    marks = one.statedir.parent / "marks"
    marks.mkdir()
    gate = marks / "gate"
    script = f"echo $$ > {marks}/$FLUX_JOB_ID.$$; while [ ! -e {gate} ]; do read -t 0.05 < /dev/zero; done; echo done; exit 4"
    jobs = [one.submit(jobspec("bash", "-c", script)) for _ in range(4)]
    for jobid in jobs[:2]:
        one.until(jobid, "start")
    one.kill()
    one.start()
    assert [one.names(jobid)[-1] for jobid in jobs[:2]] == ["start", "start"]
    assert one.names(jobs[2])[-2:] == ["flux-restart", "priority"]
    one.kill()
    gate.touch()
    one.start()
    for jobid in jobs:
        assert one.result(jobid)["waitstatus"] == 4 << 8
        assert one.names(jobid).count("start") == 1
        data = [event["context"].get("data") for event in one.events(jobid, "guest.output") if event["name"] == "data"]
        assert "done\n" in data
    assert len(list(marks.iterdir())) == 1 + len(jobs)


def test_no_output_is_lost_however_fast_jobs_come_and_go(server):
    from .conftest import jobspec

    one = server("--nodes", "1", "--cores", "16")
    jobs = [{"jobspec": jobspec("echo", str(number))} for number in range(600)]
    ids = [job["id"] for job in one.client.post("/v1/jobs", {"jobs": jobs})["jobs"]]
    for number, jobid in enumerate(ids):
        assert one.result(jobid)["waitstatus"] == 0
        data = [
            event["context"].get("data", "") for event in one.events(jobid, "guest.output") if event["name"] == "data"
        ]
        assert "".join(data) == f"{number}\n"
