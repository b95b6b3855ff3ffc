"""Schedules to draw: from a few words, and any at all."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from fluxplug.sim.schedule import Schedule

_HOSTILE = """<script>alert('x')</script>"&]]>--><![CDATA[\x00\x1b\ud800\u202e""" + "x" * 300


@pytest.fixture(scope="session")
def hostile():
    """A name of a job, queue or policy, from somebody who means ill."""
    return _HOSTILE


@pytest.fixture(scope="session")
def parse():
    """Read an SVG text, or raise: our own, so that nothing in it can hurt."""
    return ET.fromstring


@pytest.fixture
def schedule():
    """Make a schedule from rows (submit, start, end, width, ranks, outcome), of which the last two may be left out."""

    def make(rows=(), policy="easy", nodes=4, cores=4, down=(), **notes):
        result = Schedule(policy, cores, nodes, down=list(down), notes=notes)
        for i, row in enumerate(rows, 1):
            submit, start, end, width, ranks, outcome, *_ = (*row, *("", "completed")[len(row) - 4 :])
            result.job.append(i)
            result.submit.append(submit)
            result.start.append(math.nan if start is None else start)
            result.end.append(math.nan if end is None else end)
            result.width.append(width)
            result.limit.append(0)
            result.outcome.append(outcome)
            result.queue.append("")
            result.ranks.append(ranks)
        return result

    return make


@pytest.fixture
def large(schedule):
    """A schedule of `jobs` jobs on nodes of one core, each on a few neighbours; it may oversubscribe, which a drawing survives."""

    def make(jobs, nodes=1024, *, named=True, policy="easy"):
        rows = []
        for i in range(jobs):
            width, first = 1 + i * 37 % 96, i * 7919 % nodes
            width = min(width, nodes - first)
            start = i * 500.0 + i * i % 977
            ranks = f"{first}-{first + width - 1}" if width > 1 else f"{first}"
            rows.append((i * 500.0, start, start + 60 + i * 131 % 20000, width, ranks if named else ""))
        return schedule(rows, policy, nodes, nodes)

    return make
