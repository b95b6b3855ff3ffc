"""The headline numbers of schedules side by side, as rows of words with the best of each marked; and what the notes mean.

Numbers are those of `fluxplug.sim.metrics.metrics`; nothing is computed here. Called by the HTML page and the SVG table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug.report.scale import NONE, factor, number, percent, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What a note of a trace reader counts; others are shown by their own words.
_NOTES = {
    "jobs": "jobs read from the log",
    "skipped": "lines skipped because they could not be read",
    "missing-estimate": "jobs without a requested time, to which the rule for missing estimates applied",
    "degenerate": "jobs without a run time or a width, or from before the log began, made one-second jobs",
    "capped": "jobs wider than the machine, cut to it",
    "killed": "jobs killed at the time they had requested",
    "unlimited": "jobs without a time limit",
}

# words, path in the metrics, how to write it, and what is best: -1 the least, 1 the most, 0 neither
_Line = tuple[str, tuple[str, ...], "Callable[[float], str]", int]
_LINES: tuple[_Line, ...] = (
    ("Jobs", ("jobs",), number, 0),
    ("Timed out", ("outcomes", "timeout"), number, 0),
    ("Failed", ("outcomes", "failed"), number, 0),
    ("Cancelled", ("outcomes", "cancelled"), number, 0),
    ("Refused", ("outcomes", "refused"), number, 0),
    ("Still pending", ("outcomes", "pending"), number, 0),
    ("Still running", ("outcomes", "running"), number, 0),
    ("Wait, mean", ("wait_s", "mean"), span, -1),
    ("Wait, median", ("wait_s", "median"), span, -1),
    ("Wait, 90th percentile", ("wait_s", "p90"), span, -1),
    ("Wait, 99th percentile", ("wait_s", "p99"), span, -1),
    ("Wait, longest", ("wait_s", "max"), span, -1),
    ("Bounded slowdown, mean", ("bounded_slowdown_10s", "mean"), factor, -1),
    ("Bounded slowdown, median", ("bounded_slowdown_10s", "median"), factor, -1),
    ("Bounded slowdown, 90th percentile", ("bounded_slowdown_10s", "p90"), factor, -1),
    ("Bounded slowdown, 99th percentile", ("bounded_slowdown_10s", "p99"), factor, -1),
    ("Utilisation", ("utilisation",), percent, 1),
    ("Makespan", ("makespan_s",), span, -1),
    ("Queue length, mean", ("queue_length", "mean"), number, -1),
    ("Queue length, longest", ("queue_length", "max"), number, -1),
)


@frozen
class Row:
    """One headline number of each policy: as words, exactly (None where there is none), and which policies have the best."""

    label: str
    texts: tuple[str, ...]
    exact: tuple[float | None, ...]
    best: frozenset[int]


def summary(found: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows that any of the policies' metrics has. Nothing is best where all read the same, or where there is one policy."""
    rows = []
    for label, path, words, better in _LINES:
        values = tuple(_look_up(metrics, path) for metrics in found)
        if all(v is None for v in values):
            continue
        texts = tuple(NONE if v is None else words(v) for v in values)
        rows.append(Row(label, texts, values, _best(values, texts, better)))
    return rows


def _best(values: Sequence[float | None], texts: Sequence[str], better: int) -> frozenset[int]:
    known = [v for v in values if v is not None]
    if not better or len(set(texts)) < 2 or not known:
        return frozenset()
    top = texts[values.index(max(known) if better > 0 else min(known))]
    return frozenset(i for i, text in enumerate(texts) if text == top)


def _look_up(metrics: Mapping[str, Any], path: Sequence[str]) -> float | None:
    value: Any = metrics
    for key in path:
        value = value.get(key)
        if value is None:
            return None
    return float(value) if math.isfinite(value) else None


def notes(found: Sequence[Mapping[str, int]]) -> list[tuple[str, tuple[str, ...]]]:
    """(what was counted, how many under each policy), without what is zero everywhere; `NONE` where a policy does not say."""
    keys = sorted(
        {key for counts in found for key in counts}, key=lambda k: (list(_NOTES).index(k) if k in _NOTES else 99, k)
    )
    return [
        (
            _NOTES.get(key, key.replace("-", " ").replace("_", " ")),
            tuple(number(c[key]) if key in c else NONE for c in found),
        )
        for key in keys
        if any(counts.get(key) for counts in found)
    ]
