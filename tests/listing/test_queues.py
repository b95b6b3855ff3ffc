"""Listings of queues."""

from __future__ import annotations

import math

import pytest

from fluxplug.listing.formats import Formats
from fluxplug.listing.output import OutputFormat
from fluxplug.listing.queues import QUEUE_HEADINGS, QueueRow, queue_infos
from fluxplug.resource.list import SchedResourceList

CONFIG = {
    "policy": {
        "jobspec": {"defaults": {"system": {"queue": "batch", "duration": "30m"}}},
        "limits": {"duration": "4h", "job-size": {"max": {"ncores": 100}}},
    },
    "queues": {
        "batch": {"requires": ["batch"]},
        "debug": {
            "requires": ["debug"],
            "policy": {
                "limits": {"duration": 3600.0, "job-size": {"max": {"nnodes": 1, "ngpus": -1}, "min": {"ncores": 2}}}
            },
        },
        "short": {"parent": "debug", "policy": {"limits": {"duration": "5m"}}},
    },
}
STATUS = {
    "batch": {"enable": True, "start": True},
    "debug": {"enable": False, "start": False, "disable_reason": "x"},
    "short": {"enable": True, "start": False, "blocked": "parent", "parent": "debug"},
}
MACHINE = {
    "all": {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-5", "children": {"core": "0-3", "gpu": "0"}}],
            "properties": {"batch": "0-3", "debug": "4-5"},
        },
    },
    "down": {"version": 1, "execution": {"R_lite": [{"rank": "3", "children": {"core": "0-3", "gpu": "0"}}]}},
}


def lines(name, infos, **kwargs):
    rows = [QueueRow(info, **kwargs) for info in infos]
    return [line.rstrip() for line in OutputFormat(Formats("queue-list", {}).find(name), QUEUE_HEADINGS).lines(rows)]


def test_values():
    batch, debug, short = queue_infos(CONFIG, STATUS, SchedResourceList(MACHINE))
    assert [(one.name, one.is_default, one.enabled, one.started) for one in (batch, debug, short)] == [
        ("batch", True, True, True),
        ("debug", False, False, False),
        ("short", False, True, False),
    ]
    assert (batch.defaults.timelimit, batch.limits.duration, short.limits.timelimit) == (1800, 14400, 300)
    assert (batch.limits.max.ncores, batch.limits.max.nnodes, batch.limits.min.ncores) == (100, math.inf, 0)
    assert (debug.limits.max.nnodes, debug.limits.max.ncores, debug.limits.min.ncores) == (1, 100, 2)
    assert (short.parent, short.blocked, short.limits.max.nnodes) == ("debug", "parent", 1)
    assert (batch.resources.all.nnodes, batch.resources.free.ncores, short.resources.up.ngpus) == (4, 12, 2)


def test_tables():
    infos = queue_infos(CONFIG, STATUS, SchedResourceList(MACHINE))
    assert lines(None, infos) == [
        "QUEUE    PARENT   EN ST TDEFAULT   TLIMIT     NNODES     NCORES      NGPUS",
        "batch*             ✔  ✔      30m       4h        0-4       0-16        0-4",
        "debug              ✗  ✗      30m       1h        0-1        2-8        0-2",
        "short    debug     ✔  ⏸      30m       5m        0-1        2-8        0-2",
    ]
    assert lines("policy", infos)[1] == "batch*                 30m       4h      0-inf      0-100      0-inf"
    assert lines("nodes", infos)[1].split() == ["batch*", "✔", "✔", "4", "3", "1", "0", "3"]
    assert "\x1b[33m ⏸\x1b[0m" in lines(None, infos, color=True)[3]
    fmt = "{queue} {submission} {scheduling} {started.ascii} {limits.min.ncores} {limits.max.ngpus}"
    assert OutputFormat(fmt, QUEUE_HEADINGS).format(QueueRow(infos[2])) == "short enabled stopped p 2 inf"


def test_the_anonymous_queue():
    assert lines(None, queue_infos({}, {"": {"enable": True, "start": True}})) == [
        "EN ST TDEFAULT   TLIMIT     NNODES     NCORES      NGPUS",
        " ✔  ✔      inf      inf      0-inf      0-inf      0-inf",
    ]


def test_every_field_can_be_shown():
    for infos in (queue_infos({}, {}), queue_infos(CONFIG, STATUS, SchedResourceList(MACHINE))):
        for name in QUEUE_HEADINGS:
            OutputFormat(f"{{{name}:>8}}", QUEUE_HEADINGS).format(QueueRow(infos[0]))
    with pytest.raises(AttributeError):
        _ = QueueRow(infos[0]).flavour
