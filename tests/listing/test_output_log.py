"""Job output: recorded logs, whole and event by event."""

from __future__ import annotations

import pytest

from fluxplug.errors import DocumentError
from fluxplug.listing.output_log import OutputRenderer, job_output, render_exception

HEADER = {"timestamp": 1.0, "name": "header", "context": {"version": 1, "encoding": {"stdout": "base64"}}}


def data(text, rank="0", stream="stdout", **context):
    return {"timestamp": 2.0, "name": "data", "context": {"stream": stream, "rank": rank, "data": text, **context}}


def test_vectors(vectors):
    rows = vectors("output_eventlog")
    assert len(rows) == 28
    for row in rows:
        found = job_output(row["events"], **row["kwargs"], log_end="")
        if "exc" in row:  # the original stumbles over rank "all" with tasks "*": here it is every task
            label = "all: " if row["kwargs"].get("labelio") else ""
            assert found == (f"{label}x\n", "", "")
        else:
            assert found == (row["stdout"], row["stderr"], row["log"])


def test_recorded_jobs(vectors):
    logs = [one["output"] for one in vectors("job_lifecycles")["jobs"].values() if one.get("output")]
    assert len(logs) > 15
    outputs = [job_output(events) for events in logs]
    assert outputs[0] == ("out\n", "err\n", "")
    assert "flux-shell[0]: FATAL: task 0 (host vm): start failed: /no/such/cmd: No such file or directory\n" in {
        one.stderr for one in outputs
    }
    for events, whole in zip(logs, outputs, strict=True):
        renderer = OutputRenderer(redirects=False)
        pairs = [pair for event in events for pair in renderer.feed(event)]
        for stream in ("stdout", "stderr", "log"):
            assert "".join(text for name, text in pairs if name == stream) == getattr(whole, stream)


def test_watching_says_where_output_went():
    event = {"name": "redirect", "context": {"stream": "stdout", "rank": "0-3", "path": "f"}}
    assert OutputRenderer().feed(event) == [("stderr", "0-3: stdout redirected to f\n")]
    assert OutputRenderer().feed({"name": "later", "context": {}}) == []
    note = {"type": "cancel", "severity": 0, "note": "why"}
    assert render_exception(note) == "job.exception: type=cancel severity=0 why"
    assert render_exception({**note, "note": ""}) == "job.exception: type=cancel severity=0"


@pytest.mark.parametrize(
    ("level", "start"),
    [*enumerate(["FATAL: ", "FATAL: ", "FATAL: ", "ERROR: ", " WARN: ", "", "DEBUG: ", "TRACE: "])],
)
def test_levels(level, start):
    event = {"name": "log", "context": {"level": level, "message": "m", "component": "c"}}
    assert OutputRenderer().feed(event) == [("stderr", f"flux-shell: {start}c: m\n")]
    assert OutputRenderer(log_stderr_level=level - 1).feed(event)[0][0] == "log"


def test_labels_are_at_the_beginning_of_lines():
    renderer = OutputRenderer(labelio=True)
    parts = [data("a\nb"), data("c"), data("d\n"), data("e"), data("f\n\n", rank="1"), data("g\n")]
    assert "".join(text for part in parts for _, text in renderer.feed(part)) == (
        "0: a\n0: bcd\n0: e\n1: f\n1: \n0: g\n"
    )


def test_bytes_survive():
    renderer = OutputRenderer()
    renderer.feed(HEADER)
    ((_, text),) = renderer.feed(data("/wBh"))
    assert text.encode(errors="surrogateescape") == b"\xff\x00a"
    assert renderer.feed(data("plain", encoding="UTF-8")) == [("stdout", "plain")]
    assert renderer.feed(data("plain", stream="stderr")) == [("stderr", "plain")]


@pytest.mark.parametrize(
    "event",
    [
        data("*", encoding="base64"),
        data("x", repeat=10**9),
        data("x", repeat="3"),
        data(5),
        data("x", rank="x"),
        {"name": "data", "context": {"rank": "0", "data": "x"}},
        {"name": "data", "context": []},
        {"name": "data", "context": [1]},
        {"name": "log", "context": {"level": 3}},
        {"name": "log", "context": {"level": "3", "message": ""}},
        {"name": "header", "context": {}},
        {"name": "redirect", "context": {}},
    ],
)
def test_broken_events(event):
    renderer = OutputRenderer(tasks="0-3")
    with pytest.raises(DocumentError):
        renderer.feed(event)
