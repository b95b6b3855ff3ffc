"""Eventlog entries and their lines."""

from __future__ import annotations

import json

import pytest

from fluxplug.errors import DocumentError
from fluxplug.listing.eventlog import EventLogEvent, EventLogFormatter, read_eventlog

NOON = 1579176000.0  # 2020-01-16 12:00 UTC
LOG = [
    {"timestamp": NOON, "name": "submit", "context": {"userid": 5, "urgency": 16, "flags": 0, "version": 1}},
    {"timestamp": NOON + 0.012056, "name": "validate"},
    {"timestamp": NOON + 60.5, "name": "exception", "context": {"type": "cancel", "severity": 0, "note": ""}},
    {"timestamp": NOON + 61, "name": "release", "context": {"ranks": "all", "final": True}},
]


pytestmark = pytest.mark.usefixtures("utc")


def lines(**kwargs):
    formatter = EventLogFormatter(**kwargs)
    return [formatter.format(entry) for entry in LOG]


def test_text():
    assert lines() == [
        "1579176000.000000 submit userid=5 urgency=16 flags=0 version=1",
        "1579176000.012056 validate",
        '1579176060.500000 exception type="cancel" severity=0 note=""',
        '1579176061.000000 release ranks="all" final=true',
    ]


@pytest.mark.parametrize(
    ("form", "stamps"),
    [
        ("human", ["[Jan16 12:00]", "[  +0.012056]", "[Jan16 12:01]", "[  +0.500000]"]),
        ("reltime", ["[Jan16 12:00]", "[  +0.012056]", "[Jan16 12:01]", "[  +0.500000]"]),
        ("offset", ["0.000000", "0.012056", "60.500000", "61.000000"]),
        (
            "iso",
            [f"2020-01-16T12:0{rest}+0000" for rest in ("0:00.000000", "0:00.012056", "1:00.500000", "1:01.000000")],
        ),
    ],
)
def test_timestamps(form, stamps):
    names = (" submit ", " validate", " exception ", " release ")
    for line, stamp, name in zip(lines(timestamp_format=form), stamps, names, strict=True):
        assert line.startswith(stamp + name)


def test_json_is_the_entry():
    assert [json.loads(line) for line in lines(format="json", timestamp_format="human")] == LOG
    assert lines(format="json")[1] == '{"timestamp":1579176000.012056,"name":"validate"}'


def test_color(monkeypatch):
    plain, colored = lines(color="never"), lines(color="always")
    assert lines(color="auto") == plain
    assert "\x1b" in colored[0]
    assert "\x1b[1;31mexception" in colored[2]


def test_choices_are_checked():
    for wrong in ({"format": "x"}, {"timestamp_format": "x"}, {"color": "x"}):
        with pytest.raises(ValueError, match=r"expected one of .*, not 'x'"):
            EventLogFormatter(**wrong)


def test_events():
    event = EventLogEvent(LOG[0])
    assert (event.name, event.timestamp, event.context["userid"]) == ("submit", NOON, 5)
    assert str(event) == '1579176000.00000: submit {"flags":0,"urgency":16,"userid":5,"version":1}'
    bare = EventLogEvent(json.dumps(LOG[1]))
    assert (bare["context"], bare.context_string, str(bare)) == ({}, "", "1579176000.01206: validate")
    assert "context" not in LOG[1]


@pytest.mark.parametrize(
    "wrong",
    [
        *("{", "[]", "5", '{"name":"x"}', '{"timestamp":"1","name":"x"}', '{"timestamp":1,"name":3}', "[" * 100_000),
        '{"timestamp":1,"name":"x","context":[]}',
    ],
)
def test_no_event(wrong):
    with pytest.raises(DocumentError):
        EventLogEvent(wrong)


def test_a_log_as_text():
    text = "".join(json.dumps(entry) + "\n" for entry in LOG)
    assert [event.name for event in read_eventlog(text)] == [entry["name"] for entry in LOG]
    with pytest.raises(DocumentError, match="line 5: an event is not JSON"):
        list(read_eventlog(text + "x\n"))
