"""Figures of a finished schedule: waits, slowdowns, utilisation, queue length; and the step functions that reports draw.

Definitions are those of the scheduling literature (D. Feitelson, "Metrics for parallel job scheduling and their convergence",
JSSPP 2001), spelt out at `metrics`. Called by the simulate command and by reports; nothing here knows how the schedule came about.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fluxplug.sim.schedule import Schedule

#: Runs shorter than this count as this long in a slowdown, so that a job of a second that waits a minute does not drown the rest.
SHORT_RUN = 10.0

WIDTH_CLASSES = (
    (1, "1"),
    (4, "2-4"),
    (16, "5-16"),
    (64, "17-64"),
    (256, "65-256"),
    (1024, "257-1024"),
    (math.inf, "over 1024"),
)
LENGTH_CLASSES = (
    (60, "to 1 min"),
    (600, "to 10 min"),
    (3600, "to 1 h"),
    (4 * 3600, "to 4 h"),
    (12 * 3600, "to 12 h"),
    (24 * 3600, "to 1 d"),
    (math.inf, "over 1 d"),
)

Figures = dict[str, "float | int | None"]


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The `share` quantile of ascending values, None of none.

    Linear between the two nearest ranks (definition 7 of Hyndman and Fan, the usual one of numpy and R): 0.5 is the median.
    """
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = int(place)
    if low + 1 >= len(ordered):
        return ordered[-1]
    below, above = ordered[low], ordered[low + 1]
    return below + (above - below) * (place - low)


def mean(values: Sequence[float]) -> float | None:
    """The mean, summed in the order given; None of none.

    One rounding a step, as every other simulator does it: `sum` rounds differently from Python 3.12 on, and `fsum` from everybody,
    so that published means would not be met to their last digit.
    """
    return reduce(add, values) / len(values) if values else None


def metrics(schedule: Schedule) -> dict[str, Any]:
    """The figures of a schedule, ready for JSON; the same schedule gives the same text. O(n log n).

    Waits, slowdowns and the classes are those of the jobs that started and ended, however they ended; a figure of no jobs is None.

    - wait: start minus submit, seconds. Bounded slowdown: max(1, (wait + run) / max(run, 10 s)), run being end minus start;
    - makespan: last end minus first submit, seconds; throughput: jobs that ended, per hour of it;
    - utilisation: core seconds used over core seconds of the whole machine, down or not, in the makespan;
    - queue length: see `queue_steps`; its mean is over the makespan, weighted by time;
    - classes by width: cores; by length: real run time, upper bound included.
    """
    rows = list(schedule.started())
    submit, start, end, width = schedule.submit, schedule.start, schedule.end, schedule.width
    waits = [start[i] - submit[i] for i in rows]
    runs = [end[i] - start[i] for i in rows]
    slowdowns = [max(1.0, (wait + run) / max(run, SHORT_RUN)) for wait, run in zip(waits, runs, strict=True)]
    first = min(submit, default=math.nan)
    last = max((end[i] for i in rows), default=math.nan)
    makespan = last - first if rows else None
    used = math.fsum(width[i] * run for i, run in zip(rows, runs, strict=True))
    return {
        "policy": schedule.policy,
        "nodes": schedule.nodes,
        "cores": schedule.cores,
        "jobs": len(schedule),
        "finished": len(rows),
        "outcomes": dict(sorted(Counter(schedule.outcome).items())),
        "wait_s": _distribution(waits),
        "bounded_slowdown_10s": _distribution(slowdowns),
        "utilisation": used / (schedule.cores * makespan) if makespan and schedule.cores else None,
        "makespan_s": makespan,
        "throughput_jobs_per_h": len(rows) / makespan * 3600 if makespan else None,
        "queue_length": _over_time(queue_steps(schedule), first, last),
        "by_width": _classes(WIDTH_CLASSES, [width[i] for i in rows], waits, slowdowns),
        "by_length": _classes(LENGTH_CLASSES, runs, waits, slowdowns),
        "notes": dict(sorted(schedule.notes.items())),
    }


def queue_steps(schedule: Schedule) -> tuple[list[float], list[int]]:
    """The number of jobs that wait, over time, as (times, values): values[k] holds from times[k] until the next.

    A job waits from its submit to its start; one that starts at once does not show. Jobs still pending at the end wait for ever;
    refused ones never do, and those cancelled before they started are left out, because a schedule does not say when they left.
    """
    change: defaultdict[float, int] = defaultdict(int)
    for submit, start, outcome in zip(schedule.submit, schedule.start, schedule.outcome, strict=True):
        if start == start:  # noqa: PLR0124 - not NaN: it started
            change[submit] += 1
            change[start] -= 1
        elif outcome == "pending":
            change[submit] += 1
    return _steps(change)


def usage_steps(schedule: Schedule) -> tuple[list[float], list[int]]:
    """The number of cores in use, over time, as (times, values): values[k] holds from times[k] until the next."""
    change: defaultdict[float, int] = defaultdict(int)
    for start, end, width in zip(schedule.start, schedule.end, schedule.width, strict=True):
        if start == start:  # noqa: PLR0124 - not NaN
            change[start] += width
            if end == end:  # noqa: PLR0124
                change[end] -= width
    return _steps(change)


def table(by_policy: Mapping[str, Mapping[str, Any]]) -> str:
    """The main figures of several schedules side by side, one column each under its key; plain text, lines without trailing space."""
    rows = [["", *by_policy]]
    for label, path, kind in _TABLE:
        cells = [_cell(_look_up(figures, path), kind) for figures in by_policy.values()]
        if any(cells):
            rows.append([label, *cells])
    for key, title in (("by_width", "wait by cores, mean s"), ("by_length", "wait by run time, mean s")):
        rows.append([title, *([""] * len(by_policy))])
        found = {name: {entry["class"]: entry for entry in figures[key]} for name, figures in by_policy.items()}
        present = [label for _, label in (WIDTH_CLASSES if key == "by_width" else LENGTH_CLASSES)]
        for label in present:
            entries = [classes.get(label) for classes in found.values()]
            if any(entries):
                rows.append([f"  {label}", *(_cell(entry["wait_mean_s"], "s") if entry else "" for entry in entries)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


_TABLE = (
    ("jobs", ("jobs",), "n"),
    ("completed", ("outcomes", "completed"), "n"),
    ("timeout", ("outcomes", "timeout"), "n"),
    ("failed", ("outcomes", "failed"), "n"),
    ("cancelled", ("outcomes", "cancelled"), "n"),
    ("refused", ("outcomes", "refused"), "n"),
    ("pending", ("outcomes", "pending"), "n"),
    ("running", ("outcomes", "running"), "n"),
    ("wait, mean s", ("wait_s", "mean"), "s"),
    ("wait, median s", ("wait_s", "median"), "s"),
    ("wait, 90th s", ("wait_s", "p90"), "s"),
    ("wait, 99th s", ("wait_s", "p99"), "s"),
    ("wait, max s", ("wait_s", "max"), "s"),
    ("slowdown, mean", ("bounded_slowdown_10s", "mean"), "x"),
    ("slowdown, median", ("bounded_slowdown_10s", "median"), "x"),
    ("slowdown, 90th", ("bounded_slowdown_10s", "p90"), "x"),
    ("slowdown, 99th", ("bounded_slowdown_10s", "p99"), "x"),
    ("slowdown, max", ("bounded_slowdown_10s", "max"), "x"),
    ("utilisation", ("utilisation",), "%"),
    ("makespan, h", ("makespan_s",), "h"),
    ("throughput, jobs/h", ("throughput_jobs_per_h",), "x"),
    ("queue length, mean", ("queue_length", "mean"), "s"),
    ("queue length, max", ("queue_length", "max"), "n"),
)


def _distribution(values: list[float]) -> Figures:
    ordered = sorted(values)
    return {
        "mean": mean(values),
        "median": quantile(ordered, 0.5),
        "p90": quantile(ordered, 0.9),
        "p99": quantile(ordered, 0.99),
        "max": ordered[-1] if ordered else None,
    }


def _classes(
    bounds: Iterable[tuple[float, str]], sizes: Sequence[float], waits: Sequence[float], slowdowns: Sequence[float]
) -> list[dict[str, Any]]:
    """One entry a class that has jobs, smallest first; a size belongs to the first class whose bound it does not exceed."""
    limits = list(bounds)
    members: dict[str, list[int]] = {label: [] for _, label in limits}
    for i, size in enumerate(sizes):
        members[next(label for bound, label in limits if size <= bound)].append(i)
    entries = []
    for label, rows in members.items():
        if rows:
            chosen = [waits[i] for i in rows]
            entries.append(
                {
                    "class": label,
                    "jobs": len(rows),
                    "wait_mean_s": mean(chosen),
                    "wait_median_s": quantile(sorted(chosen), 0.5),
                    "bounded_slowdown_mean": mean([slowdowns[i] for i in rows]),
                }
            )
    return entries


def _over_time(steps: tuple[list[float], list[int]], first: float, last: float) -> Figures:
    """Mean over [first, last], weighted by time, and largest value of a step function that is 0 before its first step."""
    times, values = steps
    if math.isnan(last):
        return {"mean": None, "max": max(values, default=0)}
    until = [*times[1:], last]
    area = (
        math.fsum(
            value * (min(after, last) - max(time, first))
            for time, after, value in zip(times, until, values, strict=True)
            if time < last
        )
        if times
        else 0.0
    )
    return {"mean": area / (last - first) if last > first else None, "max": max(values, default=0)}


def _steps(change: Mapping[float, int]) -> tuple[list[float], list[int]]:
    times: list[float] = []
    values: list[int] = []
    value = 0
    for time in sorted(change):
        if change[time]:
            value += change[time]
            times.append(time)
            values.append(value)
    return times, values


def _look_up(figures: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = figures
    for key in path:
        value = value.get(key)
        if value is None:
            return None
    return value


def _cell(value: float | None, kind: str) -> str:
    if value is None:
        return ""
    if kind == "n":
        return f"{value:,}"
    if kind == "%":
        return f"{value:.2%}"
    if kind == "h":
        return f"{value / 3600:,.1f}"
    return f"{value:,.1f}" if kind == "s" else f"{value:,.3f}"
