"""Traces of jobspecs: fields, limits, shapes, widths, errors."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.errors import TraceError
from fluxplug.sim.traces.jsonl import JsonlTrace

CORE = {"type": "core", "count": 2}
GPU = {"type": "gpu", "count": 1}


def slot(count, *inside):
    return {"type": "slot", "count": count, "label": "task", "with": list(inside)}


def node(count, *inside):
    return {"type": "node", "count": count, "with": list(inside)}


def spec(*resources, version=1, **system):
    return {
        "version": version,
        "resources": list(resources or [slot(3, CORE)]),
        "tasks": [{"command": ["a"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 60, **system}},
    }


def line(**fields):
    return {"t_submit": 0, "run_time": 10, "jobspec": spec(), **fields}


@pytest.fixture
def read(tmp_path):
    def read(*lines, lenient=None, **config):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        read.path, read.trace = path, JsonlTrace(JsonlTrace.Config(**config))
        return list(read.trace.jobs(path, 8, None if lenient is None else lenient.append))

    return read


def test_fields(read):
    jobs = read(line(), line(id=70, t_submit=2.5, run_time=100.0, jobspec=spec(queue="debug")))
    first, second = jobs
    assert first[:5] == (1, 0, 10, 60, 6)
    assert (first.killed, first.queue) == (False, None)
    assert first.jobspec == spec()
    assert second[:5] == (70, 2.5, 60, 60, 6)
    assert (second.killed, second.queue) == (True, "debug")
    assert read.trace.notes == {"jobs": 2, "skipped": 0, "unlimited": 0, "killed": 1}


@pytest.mark.parametrize(
    ("duration", "run", "wanted"), [(0, 9, (9, 0, False)), (9, 9, (9, 9, False)), (0.5, 9, (0.5, 0.5, True))]
)
def test_limits(read, duration, run, wanted):
    (job,) = read(line(run_time=run, jobspec=spec(duration=duration)))
    assert (job.run, job.limit, job.killed) == wanted


@pytest.mark.parametrize(
    ("resources", "cores"),
    [
        ([slot(3, CORE)], 6),
        ([slot(3, CORE, GPU)], 6),
        ([node(2, slot(3, CORE))], 12),
        ([slot(2, {"type": "node", "count": 4})], 1),
        ([slot({"min": 2, "max": 8, "operator": "+", "operand": 1}, CORE)], 4),
        ([slot("4-8", CORE)], 8),
    ],
    ids=["slots", "gpus beside", "nodes", "nodes alone", "count object", "count text"],
)
def test_width_is_the_least_number_of_cores(read, resources, cores):
    (job,) = read(line(jobspec=spec(*resources, version=9999)))
    assert job.width == cores


def test_shapes_are_equal_where_only_what_runs_differs(read):
    base = spec()
    tasks = copy.deepcopy(base)
    tasks["tasks"][0]["command"] = ["b", "c"]
    same = [base, tasks, spec(duration=5), spec(cwd="/home", environment={"A": "1"}, job={"name": "x"})]
    other = [
        spec(slot(4, CORE)),
        spec(queue="debug"),
        spec(constraints={"properties": ["fast"]}),
        spec(node(1, slot(3, CORE))),
    ]
    jobs = read(*(line(jobspec=one) for one in [*same, *other]))
    assert len({job.shape for job in jobs[: len(same)]}) == 1
    assert len({job.shape for job in jobs}) == 1 + len(other)


def test_users(read):
    assert [job.userid for job in read(line(), line(userid=1001))] == [0, 1001]


def test_order(read):
    lines = (line(t_submit=5), line(t_submit=1), line(t_submit=5))
    with pytest.raises(TraceError, match=r"log\.jsonl:2: t_submit 1 is before 5, .*`sort = true`"):
        read(*lines)
    assert [job.id for job in read(*lines, sort=True)] == [2, 1, 3]


def without(key):
    made = line()
    del made[key]
    return made


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (without("t_submit"), "t_submit is missing"),
        (without("run_time"), "run_time is missing"),
        (without("jobspec"), "jobspec is missing"),
        (line(t_submit=-1), "t_submit must be a number of seconds, 0 or more"),
        (line(t_submit=True), "t_submit must be a number of seconds, 0 or more"),
        (line(run_time="10"), "run_time must be a number of seconds, 0 or more"),
        (line(run_time=1e400), None),
        (line(id=-1), "id must be a whole number, 0 or more"),
        (line(id=1.0), "id must be a whole number, 0 or more"),
        (line(id=1), "id 1 occurs twice"),
        (line(userid=-1), "userid must be a whole number, 0 or more"),
        (line(userid="me"), "userid must be a whole number, 0 or more"),
        (line(extra=1), "unknown key 'extra'; a line has id, jobspec, run_time, t_submit, userid"),
        (line(jobspec=7), "jobspec: "),
        (line(jobspec=spec(slot(-1, CORE))), "jobspec: resources[0]"),
        (line(jobspec=spec(slot(10**9, slot(10**9, CORE)), version=9999)), None),
        (line(jobspec=spec(duration="long")), "jobspec: "),
    ],
)
def test_a_bad_line_is_an_error_with_its_place_and_lenient_skips_it(read, bad, problem):
    lines = (line(), bad, line())
    with pytest.raises(TraceError) as caught:
        read(*lines)
    assert str(caught.value).startswith(f"{read.path}:2: {problem or ''}")
    skipped: list[TraceError] = []
    assert [job.id for job in read(*lines, lenient=skipped)] == [1, 3]
    assert len(skipped) == read.trace.notes["skipped"] == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from(["", "slot", "node", "core", "2-4", "task"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "count", "with", "label", "system"]), inner)
    ),
    max_leaves=6,
)


@st.composite
def bent(draw):
    """A line with one value somewhere in it replaced by anything, or left out."""
    made = copy.deepcopy(line(id=1))
    place, key = made, draw(st.sampled_from(list(made)))
    while isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
    if draw(st.booleans()):
        place[key] = draw(JSON)
    else:
        del place[key]
    return json.dumps(made).encode()


@settings(deadline=None)
@given(data=st.one_of(st.binary(max_size=100), bent()))
def test_any_bytes_are_jobs_or_trace_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("jsonl") / "log.jsonl"
    path.write_bytes(data)
    trace = JsonlTrace()
    skipped: list[TraceError] = []
    try:
        jobs = list(trace.jobs(path, 8, skipped.append))
    except TraceError:
        assert data.startswith(b"\x1f\x8b")
        return
    for job in jobs:
        assert job.run <= job.limit or not job.limit
        assert job.width >= 1
        hash(job.shape)
    assert trace.notes["jobs"] == len(jobs)
    assert trace.notes["skipped"] == len(skipped)
