"""The samples in the repository are what docs/traces.md says of them, and the page names every option."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxplug.config.options import keys_of
from fluxplug.sim.lublin import Lublin
from fluxplug.sim.outages import read_outages
from fluxplug.sim.traces.jsonl import JsonlTrace
from fluxplug.sim.traces.swf import SwfTrace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "traces.md").read_text(encoding="utf-8")


def test_sample_log():
    trace = SwfTrace()
    path = ROOT / "samples" / "lublin-64.swf"
    assert trace.header(path).cores == 64
    assert len(list(trace.jobs(path, 64))) == 2000
    assert trace.notes == {"jobs": 2000, "skipped": 0, "missing-estimate": 0, "degenerate": 0, "capped": 0, "killed": 0}


def test_sample_of_jobspecs_fits_its_machine():
    trace = JsonlTrace()
    jobs = list(trace.jobs(ROOT / "samples" / "mixed.jsonl", 32))
    assert trace.notes == {"jobs": 24, "skipped": 0, "unlimited": 1, "killed": 1}
    assert max(job.width for job in jobs) <= 32
    assert len({job.shape for job in jobs}) == 8


def test_sample_of_outages_goes_with_the_log():
    last = max(job.submit for job in SwfTrace().jobs(ROOT / "samples" / "lublin-64.swf", 64))
    events = read_outages(ROOT / "samples" / "outages.jsonl", nodes=64)
    assert len(events) == 10
    assert events[-1].time < last
    assert all(
        line in (ROOT / "samples" / "outages.jsonl").read_text()
        for line in PAGE.splitlines()
        if line.startswith('{"time"')
    )


@pytest.mark.parametrize("cls", [SwfTrace, JsonlTrace, Lublin])
def test_the_page_names_every_option_and_its_default(cls):
    rows = [line.replace(" (`--max-size`", "(") for line in PAGE.splitlines() if line.startswith("| `")]
    for key in keys_of(cls.Config).values():
        shown = key.default_text.removesuffix(".0")
        wanted = {f"| `{key.name}` | {shown} |", f"| `{key.name}` | `{shown}` |"}
        assert any(row.startswith(tuple(wanted)) for row in rows), key.name
