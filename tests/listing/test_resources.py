"""Listings of resources: recorded payloads, and what the recordings do not have."""

from __future__ import annotations

import json

import pytest

from fluxplug.errors import FormatError
from fluxplug.listing.formats import Formats
from fluxplug.listing.output import OutputFormat
from fluxplug.listing.resources import (
    LIST_HEADINGS,
    STATUS_HEADINGS,
    QueueProperties,
    drain_rows,
    info_line,
    list_rows,
    status_rows,
)
from fluxplug.resource.list import ResourceStatus, SchedResourceList

LIST = "{state:>10} {properties:<10.10+} {nnodes:>6} {ncores:>8} {ngpus:>8}"
STATUS = "{state:>10} {nnodes:>6} {ranks:<15} {nodelist}"


def r(ranks, nodelist=None, **properties):
    execution = {
        "R_lite": [{"rank": ranks, "children": {"core": "0-3"}}] if ranks else [],
        "starttime": 0,
        "expiration": 0,
    }
    if nodelist:
        execution["nodelist"] = [nodelist]
    if properties:
        execution["properties"] = properties
    return {"version": 1, "execution": execution}


def printed(fmt, headings, rows):
    return [line.rstrip() for line in OutputFormat(fmt, headings).lines(rows)]


def test_list_vectors(vectors):
    rows = vectors("resource_cli")["list"]
    assert len(rows) == 6
    for row in rows:
        report = SchedResourceList(row["input"])
        lines = printed(LIST, LIST_HEADINGS, list_rows(report, fields=OutputFormat(LIST, LIST_HEADINGS).fields))
        assert lines == [line.rstrip() for line in row["list"].splitlines()], row["name"]
        assert info_line(report.all) + "\n" == row["info"]
        assert report.all.to_dict() == row["R"], row["name"]
        if "config" in row:
            queues = QueueProperties(json.loads(row["config"])["queues"])
            assert [one.queue for one in list_rows(report, queues=queues)] == ["batch", "debug", "", "batch", "debug"]
            assert {one.propertiesx for one in list_rows(report, queues=queues)} == {""}


def test_status_vectors(vectors):
    rows = vectors("resource_cli")["status"]
    assert len(rows) == 7
    for row in rows:
        lines = printed(STATUS, STATUS_HEADINGS, status_rows(ResourceStatus(row["input"])))
        assert lines == [line.rstrip() for line in row["status"].splitlines()], row["name"]


def test_the_default_list_shows_queues_and_other_properties():
    report = SchedResourceList({"all": r("0-3", "n[0-3]", batch="0-2", debug="3", ssd="1,3"), "down": None})
    queues = QueueProperties({"batch": {"requires": ["batch"]}, "debug": {"requires": ["debug"]}})
    fmt = Formats("resource-list", {}).find()
    fields = OutputFormat(fmt, LIST_HEADINGS).fields
    assert printed(fmt, LIST_HEADINGS, list_rows(report, ["free"], queues, fields)) == [
        "     STATE QUEUE PROPERTIES NNODES NCORES NODELIST",
        "      free batch                 2      8 n[0,2]",
        "      free batch ssd             1      4 n1",
        "      free debug ssd             1      4 n3",
    ]
    rows = list_rows(report, ["free"], queues, ["state", "queue", "nnodes"])
    assert [(row.queue, row.nnodes) for row in rows] == [("batch", 3), ("debug", 1)]
    assert [row.nnodes for row in list_rows(report, ["free"], queues, ["nnodes"])] == [4]
    assert list_rows(report, ["down", "allocated"], queues, skip_empty=True) == []
    assert [row.rlist for row in list_rows(report, ["all"], fields=[])] == ["rank[0-3]/core[0-3]"]


def test_queues():
    queues = QueueProperties(
        {
            "a": {"requires": ["x", "y"]},
            "b": {"hosts": "n[0-1]"},
            "c": {"parent": "b"},
            "any": {},
            "secret": {"requires": ["x"]},
        },
        hidden=["secret"],
    )
    assert queues.serving(["x", "y"]) == ["a", "any"]
    assert queues.serving(["+b", "x"]) == ["b", "c", "any"]
    assert queues.others(["+b", "x", "z", "any"]) == ["z"]
    assert queues.constraint(["a", "secret"]) == {"or": [{"properties": ["x", "y"]}, {"properties": ["x"]}]}
    with pytest.raises(FormatError, match=r"^'nope' is not a valid queue$"):
        queues.constraint(["nope"])


def test_parts_of_a_list():
    report = SchedResourceList({"all": r("0-3", "n[0-3]", p="0-1"), "down": r("3", "n3"), "allocated": r("0", "n0")})
    assert [str(report[state].ranks) for state in ("all", "up", "down", "allocated", "free")] == [
        *("0-3", "0-2", "3", "0", "1-2"),
    ]
    assert str(report.filter("n[0,3]").up.ranks) == "0"
    assert str(report.filter("2-3").down.ranks) == "3"
    assert str(report.copy_constraint({"properties": ["p"]}).free.ranks) == "1"
    assert report.select(["free", "down"]).to_dict() == r("1-3", "n[1-3]", p="1")
    assert report.select(["all", "down"]) == report.all
    with pytest.raises(FileNotFoundError):
        report.filter("n9")
    with pytest.raises(FormatError, match="Invalid resource state up2: expected up, down"):
        list_rows(report, ["up2"])
    with pytest.raises(KeyError):
        _ = report["filter"]


def drained(**more):
    return ResourceStatus(
        {
            "R": r("0-5", "n[0-5]"),
            "online": "0-3,5",
            "offline": "4",
            "drain": {"1-2,4": {"timestamp": 5.0, "reason": "disk"}, "0": {"timestamp": 7.0}},
            **more,
        },
        allocated="2-3",
    )


def test_states_of_ranks():
    status = drained(torpid="0,5", exclude="3")
    assert [str(status[state]) for state in ("draining", "drained", "avail", "drain")] == ["2", "0-1,4", "", "0-2,4"]
    assert str(status.get_idset("exclude", "torpid")) == "0,3,5"
    assert status.get_drain_info(4).reason == "disk"
    assert status.get_drain_info(0).reason == ""
    assert status.get_drain_info(5) is None
    part = status.filter("n[2-4]")
    assert [str(part[state]) for state in ("all", "draining", "drained", "exclude")] == ["2-4", "2", "4", "3"]
    assert [str(info.ranks) for info in part.drain_info] == ["2,4"]
    assert str(part.nodelist) == "n[2-4]"


def test_rows_are_parted_by_what_is_shown():
    rows = status_rows(drained(), fields=["state", "reason", "up"])
    assert [(row.state, str(row.ranks), row.up, row.reason) for row in rows] == [
        ("avail", "3,5", "✔", ""),
        ("draining", "2", "✔", "disk"),
        ("drained", "0", "✔", ""),
        ("drained", "1", "✔", "disk"),
        ("drained", "4", "✗", "disk"),
    ]
    assert [row.state for row in status_rows(drained())] == ["avail", "draining", "drained", "drained*"]
    asked = status_rows(drained(), ["offline", "drain", "torpid"])
    assert [(row.state, row.nnodes) for row in asked] == [
        *(("torpid", 0), ("draining", 1), ("drained", 2), ("drained*", 1), ("offline", 1)),
    ]
    assert len(status_rows(drained(), ["all"], skip_empty=True)) == 7


def test_offline_ranks_have_their_reasons():
    status = ResourceStatus(
        {"R": r("0-4", "n[0-4]"), "online": "0", "offline": "1-4", "offline_reasons": {"1,3": "no route", "4": "key"}}
    )
    rows = status_rows(status, fields=["state", "up", "reason"])
    assert [(str(row.ranks), row.reason) for row in rows] == [("0", ""), ("1,3", "no route"), ("2", ""), ("4", "key")]
    assert len(status_rows(status, fields=["state", "up"])) == 2
    assert [str(ids) for ids, _ in status.filter("2-3").offline_info] == ["3"]


def test_unknown_states_are_refused():
    with pytest.raises(FormatError, match="Invalid resource state x"):
        status_rows(drained(), ["x"])


def test_the_named_formats_fit(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    for name in ("default", "long"):
        fmt = Formats("resource-status", {}).find(name)
        lines = printed(fmt, STATUS_HEADINGS, status_rows(drained(), fields=OutputFormat(fmt, STATUS_HEADINGS).fields))
        assert lines[1].split() == ["avail", "✔", "2", "n[3,5]"]
        fmt = Formats("resource-drain", {}).find(name)
        lines = printed(fmt, STATUS_HEADINGS, drain_rows(drained()))
        assert [line.split()[2] for line in lines[1:]] == ["drained", "drained", "draining"]
        assert "disk" in lines[2]


def test_color():
    (row, *_) = status_rows(drained(), fields=["up"], color=True)
    assert OutputFormat("{color_up}{up:>2}{color_off}{up.ascii}", STATUS_HEADINGS).format(row) == "\x1b[32m ✔\x1b[0my"
