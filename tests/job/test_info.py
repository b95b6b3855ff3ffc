"""JobInfo: recorded attributes, recorded whole jobs, and what no recording has."""

from __future__ import annotations

import json

import pytest

from fluxplug.job import JobID, JobInfo, JobInfoFormat, job_fields_to_attrs
from fluxplug.job.info import JobURI
from fluxplug.listing.formats import Formats
from fluxplug.listing.jobs import JOB_HEADINGS

NOW = 1579176000.0  # 2020-01-16 12:00 UTC


pytestmark = pytest.mark.usefixtures("utc")


def job(now=NOW, **record):
    return JobInfo({"id": 57, "state": 8, **record}, now=now)


def test_vectors(vectors):
    rows = vectors("jobinfo")
    assert len(rows) == 20
    for row in rows:
        info = JobInfo(row["job"], now=NOW)
        shown = {name: getattr(info, name) for name in row["attrs"]}
        shown["dependencies"] = str(shown["dependencies"])
        assert shown == row["attrs"], row["name"]


def test_listing_vectors(vectors):
    rows = vectors("jobs_format")["list_format_tests"]
    assert len(rows) == 5
    for row in rows:
        lines = JobInfoFormat(row["format"]).lines([JobInfo(record) for record in row["input"]], no_header=True)
        assert lines == row["output"], row["description"]


def test_recorded_jobs(vectors):
    names = {
        "state": {"INACTIVE": 64},
        "result": {"COMPLETED": 1, "FAILED": 2, "CANCELED": 4, "TIMEOUT": 8},
    }
    compared = 0
    for recorded in vectors("job_lifecycles")["jobs"].values():
        expected = recorded.get("get_job")
        if expected is None:
            continue
        record = {"id": 57, "t_run": 0.0, "t_cleanup": 0.0}
        for key, value in expected.items():
            if key == "exception":
                occurred = {f"exception_{part}": inner for part, inner in value.items() if inner != ""}
                record |= occurred
            elif key not in ("status", "returncode", "runtime") and value not in ("", [], {}):
                record[key] = names[key][value] if key in names else value
        if expected["runtime"]:
            record |= {"t_run": 1.0, "t_cleanup": 1.0 + expected["runtime"]}
        shown = JobInfo(record, now=NOW).to_dict(filtered=False)
        assert shown.pop("runtime") == pytest.approx(expected.pop("runtime"), abs=1e-9)
        assert {key: shown[key] for key in expected} == expected
        compared += 1
    assert compared > 15


def test_the_default_listing(monkeypatch):
    monkeypatch.setattr("fluxplug.job.info._username", lambda _: "ann")
    monkeypatch.delenv("FLUX_F58_FORCE_ASCII", raising=False)
    monkeypatch.setattr("fluxplug.values.jobid._locale_is_utf8", lambda: True)
    record = {"id": JobID("f4xzwahm"), "userid": 1, "state": 64, "result": 1, "name": "sim", "ntasks": 1, "nnodes": 1}
    info = JobInfo(record | {"t_run": 5.0, "t_cleanup": 5.071, "nodelist": "n1"})
    assert JobInfoFormat(Formats("jobs", {}).find()).lines([info]) == [
        "       JOBID USER     NAME       ST NTASKS NNODES     TIME INFO",
        "    ƒ4xzwahm ann      sim        CD      1      1   0.071s n1",
    ]


def test_unset_attributes():
    info = JobInfo({"id": 1})
    assert (info.name, info.nnodes, info.success, info.t_run, info.duration, info.expiration) == ("", "", "", 0, 0, 0)
    assert (info.state, info.result, info.status, info.username, info.returncode) == ("", "", "", "", "")
    assert str(info.annotations.user.whatever.below) == ""
    assert not info.uri.local
    with pytest.raises(AttributeError):
        _ = info.flavour


def test_times():
    assert job(state=16, t_run=NOW - 5, expiration=NOW + 7).runtime == 5
    assert job(state=16, t_run=NOW - 5, expiration=NOW + 7).t_remaining == 7
    assert job(state=16, t_run=NOW, expiration=NOW - 7).t_remaining == 0
    assert job(state=32, t_run=NOW - 5, t_cleanup=NOW - 1, duration=60.0).contextual_time == 4
    assert job(duration=60.0, t_run=1.0).contextual_time == 60
    assert JobInfo({"id": 1, "state": 16, "t_run": 1.0}).runtime > 1e9


def test_estimates():
    assert job(annotations={"sched": {"t_estimate": NOW + 90}}).contextual_info == "eta:1.5m"
    assert job(urgency=0, annotations={"sched": {"t_estimate": NOW}}).contextual_info == "eta:now"
    assert job(urgency=0, annotations={"sched": {"t_estimate": None}}).contextual_info == "held"


def test_dependencies():
    waits = ["after=1", f"begin-time={NOW + 60}", f"begin-time={NOW + 86400}", "begin-time=x"]
    info = job(state=2, dependencies=waits)
    assert info.dependencies == waits
    assert f"{info.dependencies:<9.9}|" == "after=1,b|"
    assert info.contextual_info == "depends:after=1,begin@12:01,begin@Jan17-12:00,begin-time=x"


def test_annotations():
    info = job(annotations={"user": {"k": 3, "deep": {"x": "y"}}, "sched": None})
    assert (info.user.k, info.annotations.user.deep.x, str(info.user.deep)) == (3, "y", '{"x":"y"}')
    assert str(info.sched.t_estimate) == ""
    assert (
        JobInfoFormat("{user.k.below:h}{user.deep}{user.to_dict}{user.keys}{sched}{user.k.real}").format(info)
        == '-{"x":"y"}'
    )
    for name in ("user._value", "user.__class__", "user.", "user..k", "annotations.user.k._"):
        with pytest.raises(ValueError, match="Unknown format field"):
            JobInfoFormat(f"{{{name}}}")
    formatter = JobInfoFormat("{user.k:>7} {annotations.user.deep.x} {sched.foo:h}")
    assert formatter.lines([info]) == [" USER.K USER.DEEP.X SCHED.FOO", "      3 y -"]


def test_uri():
    info = job(state=16, nodelist="n[3-4]", annotations={"user": {"uri": "local:///run/flux/local-0"}})
    assert info.uri == "local:///run/flux/local-0"
    assert (info.uri.local, info.uri.remote, info.uri.path) == (
        "local:///run/flux/local-0",
        "ssh://n3/run/flux/local-0",
        "/run/flux/local-0",
    )
    assert JobURI("ssh://h/x").local == "local:///x"
    assert JobURI("ssh://h/x").remote == "ssh://h/x"
    assert info.to_dict()["uri"] == info.uri


def test_to_dict_is_json_without_what_is_unset(monkeypatch):
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    shown = job(t_submit=1.0, name="x", ntasks=0, userid=4294967290, exception_occurred=False).to_dict()
    assert json.loads(json.dumps(shown)) == {
        "jobid": "fz",
        "id": 57,
        "userid": 4294967290,
        "username": "4294967290",
        "t_submit": 1.0,
        "state": "SCHED",
        "name": "x",
        "ntasks": 0,
        "duration": 0.0,
        "status": "SCHED",
        "runtime": 0.0,
        "exception": {"occurred": False},
    }


def test_reasons():
    assert job(state=64, result=2, waitstatus=(128 + 100) << 8).inactive_reason == "Exit 228"
    assert job(state=64, result=8).inactive_reason == "Timeout"
    assert job(state=16, result=8).inactive_reason == ""
    assert (
        job(state=64, result=2, waitstatus=0, exception_occurred=True, exception_severity=3).inactive_reason == "Exit 0"
    )


def test_every_field_can_be_shown():
    info = job(state=64, result=1, waitstatus=0, userid=0)
    for name in JOB_HEADINGS:
        JobInfoFormat(f"{{{name}:>12}}").format(info)
        assert job_fields_to_attrs([name]) <= {
            *("userid", "urgency", "priority", "t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup"),
            *("t_inactive", "state", "name", "cwd", "queue", "project", "bank", "ntasks", "ncores", "nnodes", "ranks"),
            *("nodelist", "duration", "expiration", "success", "result", "waitstatus", "exception_occurred"),
            *("exception_type", "exception_severity", "exception_note", "annotations", "dependencies"),
        }
    assert job_fields_to_attrs(["id.f58", "user.x", "name"]) == {"annotations", "name"}
    with pytest.raises(ValueError, match="Unknown format field: x"):
        job_fields_to_attrs(["x"])
