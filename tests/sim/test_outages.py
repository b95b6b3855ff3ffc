"""The file of outages: each kind of event, order, and errors with their place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.errors import TraceError
from fluxplug.sim.outages import Cancel, ChangeLimit, ChangePriority, Outage, read_outages
from fluxplug.values.idset import IDset

HOSTS = {"node0": 0, "node1": 1, "node7": 7}


@pytest.fixture
def read(tmp_path):
    def read(*lines, **more):
        path = tmp_path / "outages.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        read.path = path
        return read_outages(path, **more)

    return read


def test_every_event(read):
    events = read(
        {"time": 0, "event": "down", "ranks": "0-2,5"},
        {"time": 1.5, "event": "up", "ranks": "0-2"},
        {"time": 2, "event": "drain", "hosts": "node[0-1]"},
        {"time": 3, "event": "undrain", "hosts": "node7"},
        {"time": 4, "event": "cancel", "job": 12},
        {"time": 5, "event": "limit", "job": 12, "limit": 3600.0},
        {"time": 6, "event": "priority", "job": 12, "priority": 4294967295},
        hosts=HOSTS,
        nodes=8,
    )
    assert events == [
        Outage(0, False, IDset("0-2,5")),
        Outage(1.5, True, IDset("0-2")),
        Outage(2, False, IDset("0-1"), drain=True),
        Outage(3, True, IDset("7"), drain=True),
        Cancel(4, 12),
        ChangeLimit(5, 12, 3600),
        ChangePriority(6, 12, 4294967295),
    ]


def test_events_are_sorted_by_time_and_ties_keep_their_order(read):
    events = read(*({"time": time, "event": "cancel", "job": job} for job, time in enumerate((5, 1, 5, 1))))
    assert [(event.time, event.job) for event in events] == [(1, 1), (1, 3), (5, 0), (5, 2)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"time": 1}, "event is missing"),
        ({"time": 1, "event": 7}, "event must be a string"),
        (
            {"time": 1, "event": "dwon", "ranks": "0"},
            "unknown event 'dwon'; did you mean 'down'? there are: cancel, down, drain,",
        ),
        ({"event": "down", "ranks": "0"}, "time is missing"),
        ({"time": -1, "event": "down", "ranks": "0"}, "time must be a number of seconds, 0 or more"),
        ({"time": 1, "event": "down"}, "an event about nodes has either ranks or hosts"),
        (
            {"time": 1, "event": "down", "ranks": "0", "hosts": "node1"},
            "an event about nodes has either ranks or hosts",
        ),
        ({"time": 1, "event": "down", "ranks": ""}, "ranks names no node"),
        ({"time": 1, "event": "down", "ranks": 3}, "ranks must be a string"),
        ({"time": 1, "event": "down", "ranks": "3-1"}, "ranks: "),
        ({"time": 1, "event": "down", "ranks": "0-8"}, "rank 8 is beyond the machine's 8 nodes"),
        ({"time": 1, "event": "down", "hosts": "node[0-2]"}, "unknown hosts: node2"),
        ({"time": 1, "event": "down", "hosts": "node["}, "hosts: "),
        ({"time": 1, "event": "down", "rank": "0"}, "unknown key 'rank'; did you mean 'ranks'?"),
        ({"time": 1, "event": "cancel"}, "job is missing"),
        ({"time": 1, "event": "cancel", "job": True}, "job must be a whole number from 0 to "),
        ({"time": 1, "event": "cancel", "job": 1, "limit": 2}, "unknown key 'limit'; "),
        ({"time": 1, "event": "limit", "job": 1}, "limit is missing"),
        (
            {"time": 1, "event": "priority", "job": 1, "priority": 2**32},
            "priority must be a whole number from 0 to 4294967295",
        ),
        ([], "expected a JSON object"),
    ],
)
def test_a_bad_line_is_an_error_with_its_place_and_lenient_skips_it(read, bad, problem):
    lines = ({"time": 9, "event": "cancel", "job": 1}, bad, {"time": 8, "event": "cancel", "job": 2})
    with pytest.raises(TraceError) as caught:
        read(*lines, hosts=HOSTS, nodes=8)
    assert str(caught.value).startswith(f"{read.path}:2: {problem}")
    skipped: list[TraceError] = []
    assert [event.job for event in read(*lines, hosts=HOSTS, nodes=8, on_skip=skipped.append)] == [2, 1]
    assert len(skipped) == 1


def test_hosts_need_a_machine_with_names(read):
    with pytest.raises(TraceError, match=":1: the machine's nodes have no names: use ranks"):
        read({"time": 1, "event": "down", "hosts": "node0"})


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text("a0-[,]\u00e9\x00", max_size=5),
    st.sampled_from(["0-3", "down", "limit"]),
)
KEYS = st.sampled_from(["time", "event", "ranks", "hosts", "job", "limit", "priority", "x"])


@settings(deadline=None)
@given(data=st.one_of(st.binary(max_size=100), st.dictionaries(KEYS, VALUES).map(lambda x: json.dumps(x).encode())))
def test_any_bytes_are_events_or_trace_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("outages") / "log"
    path.write_bytes(data)
    problems: list[TraceError] = []
    try:
        events = read_outages(path, HOSTS, 8, problems.append)
    except TraceError:
        assert data.startswith(b"\x1f\x8b")  # gzip, and damaged
        return
    assert all(event.time >= 0 for event in events)
    assert all(str(problem).startswith(f"{path}:") for problem in problems)
