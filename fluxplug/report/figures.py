"""The figures of a report: schedules of the same log in, drawings out.

Pure functions; the same schedules give the same text. Called by the reports of this package; `every` is the whole set in the
order of a report, the others are for who wants one. `labels` are the names of the policies, from `names`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from attrs import frozen

from fluxplug.report import style
from fluxplug.report.chart import FULL, HALF, Axis, Caption, Figure, Plot, hits, policy_legend, stairs
from fluxplug.report.gantt import gantt
from fluxplug.report.markup import el, esc, num
from fluxplug.report.packing import Window
from fluxplug.report.scale import (
    LOG,
    LOG1P,
    class_label,
    factor,
    log_ticks,
    log_time_ticks,
    number,
    percent,
    span,
    whole_ticks,
)
from fluxplug.report.series import Lines, cut, means
from fluxplug.report.summary import Row, summary
from fluxplug.sim.metrics import LENGTH_CLASSES, SHORT_RUN, WIDTH_CLASSES, quantile, queue_steps, usage_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from fluxplug.report.scale import Tick
    from fluxplug.report.series import Steps
    from fluxplug.sim.schedule import Schedule

#: Where the queue of one policy is this many times as long as another's, lengths are drawn on a logarithmic axis.
_FAR_APART = 8

_SHARES: tuple[Tick, ...] = tuple((v / 100, f"{v} %") for v in (0, 25, 50, 75, 100))


def names(schedules: Sequence[Schedule]) -> list[str]:
    """The policies' names, made distinct where two schedules have the same."""
    result: list[str] = []
    for schedule in schedules:
        base = schedule.policy or "unnamed"
        label, k = base, 1
        while label in result:
            k += 1
            label = f"{base} ({k})"
        result.append(label)
    return result


@frozen
class Section:
    """A part of a report: its heading and its figures."""

    heading: str
    figures: list[Figure]


def every(schedules: Sequence[Schedule]) -> list[Section]:
    """All drawings but the table, in order; schedules are of the same log, one a policy. Seconds for 300,000 jobs."""
    labels = names(schedules)
    window = Window.around(schedules)
    machine = [
        gantt(schedule, window, f"nodes-{_slug(label, i)}", label, i)
        for i, (schedule, label) in enumerate(zip(schedules, labels, strict=True))
    ]
    samples = [Sample.of(schedule) for schedule in schedules]
    return [
        Section("Machine over time", machine),
        Section("Load", [utilisation(schedules, labels, window), queue(schedules, labels, window)]),
        Section("Waiting and slowdown", [waits(samples, labels), slowdowns(samples, labels)]),
        Section("Waiting by size of job", [by_width(samples, labels), by_length(samples, labels)]),
    ]


def _slug(label: str, i: int) -> str:
    """A part of a file name and of an id: the place of the policy and what is harmless of its name."""
    words = re.sub("[^a-z0-9]+", "-", label.lower())[:30].strip("-")
    return f"{i + 1}-{words}" if words else f"{i + 1}"


@frozen
class Sample:
    """What the distributions need of the jobs that started and ended: waits, runs, widths, slowdowns, in log order."""

    wait: list[float]
    run: list[float]
    width: list[int]
    slowdown: list[float]

    @classmethod
    def of(cls, schedule: Schedule) -> Sample:
        """The columns, by the definitions of `fluxplug.sim.metrics`."""
        rows = list(schedule.started())
        wait = [schedule.start[i] - schedule.submit[i] for i in rows]
        run = [schedule.end[i] - schedule.start[i] for i in rows]
        slowdown = [max(1.0, (w + r) / max(r, SHORT_RUN)) for w, r in zip(wait, run, strict=True)]
        return cls(wait, run, [schedule.width[i] for i in rows], slowdown)


def utilisation(schedules: Sequence[Schedule], labels: Sequence[str], window: Window) -> Figure:
    """The share of the machine's cores in use over time, a line a policy."""
    found = []
    for schedule in schedules:
        times, cores = usage_steps(schedule)
        found.append(cut(times, [v / max(schedule.cores, 1) for v in cores], window))
    axis = Axis("cores in use", 0, 1, _SHARES)
    return _over_time(("utilisation", "Utilisation over time"), axis, Lines.of(found, window), labels, percent)


def queue(schedules: Sequence[Schedule], labels: Sequence[str], window: Window) -> Figure:
    """The number of waiting jobs over time, a line a policy; logarithmic in long logs and where policies differ a lot."""
    found = [cut(*queue_steps(schedule), window) for schedule in schedules]
    lines = Lines.of(found, window)
    tops = [max(values) for _, values in lines.close or lines.far]
    hi = 1.05 * max([*tops, 1])
    if lines.column or hi > _FAR_APART * max(min(tops, default=0), 1):
        axis = Axis("jobs waiting (log scale)", 0, hi, log_ticks(0, hi), LOG1P)
    else:
        axis = Axis("jobs waiting", 0, hi, whole_ticks(0, hi, 5))
    return _over_time(("queue", "Queue length over time"), axis, lines, labels, number)


def _over_time(
    caption: tuple[str, str], y: Axis, lines: Lines, labels: Sequence[str], words: Callable[[float], str]
) -> Figure:
    window = lines.window
    plot = Plot(FULL, 170, Axis.time(window), y, policy_legend(labels, FULL))
    tips = hits(
        plot, [(label, means(steps, window, 120)) for label, steps in zip(labels, lines.far, strict=True)], words
    )
    note = f"Means over {span(lines.column)}." if lines.column else "Every change is drawn."
    return plot.over_time(Caption(*caption, note), _paths(plot, lines.far), tips, close=_paths(plot, lines.close))


def _paths(plot: Plot, found: Sequence[Steps]) -> list[str]:
    return [
        _line(i, stairs([plot.x(e) for e in edges], [plot.y(v) for v in values]))
        for i, (edges, values) in enumerate(found)
    ]


def _line(policy: int, path: str) -> str:
    kind = f"line {style.line(policy)} p{policy}"
    return el("path", class_=kind, stroke_dasharray=style.dash(policy), d=path)


def waits(samples: Sequence[Sample], labels: Sequence[str]) -> Figure:
    """The distribution of waits: the share of jobs that waited no longer than a time, a line a policy."""
    ordered = [sorted(s.wait) for s in samples]
    hi = max([60.0, *(values[-1] for values in ordered if values)])
    note = "The share of jobs that waited no longer than the time on the axis; higher is better."
    axis = Axis("wait (log scale)", 0, hi, log_time_ticks(hi), LOG1P)
    return _shares(Caption("wait", "Distribution of waits", note), ordered, labels, axis, span)


def slowdowns(samples: Sequence[Sample], labels: Sequence[str]) -> Figure:
    """The distribution of bounded slowdowns, as `waits`."""
    ordered = [sorted(s.slowdown) for s in samples]
    hi = max([10.0, *(values[-1] for values in ordered if values)])
    note = "The share of jobs slowed down no more than the factor on the axis; higher is better."
    axis = Axis("bounded slowdown (log scale)", 1, hi, log_ticks(1, hi), LOG)
    return _shares(Caption("slowdown", "Distribution of bounded slowdowns", note), ordered, labels, axis, factor)


def _shares(
    caption: Caption,
    ordered: Sequence[Sequence[float]],
    labels: Sequence[str],
    x: Axis,
    words: Callable[[float], str],
) -> Figure:
    """Empirical distribution functions of ascending values, taken at every coordinate of the plot."""
    plot = Plot(HALF, 200, x, Axis("share of jobs", 0, 1, _SHARES), policy_legend(labels, HALF))
    columns = int(plot.inner_width)
    edges = [k * plot.inner_width / columns for k in range(columns + 2)]
    at = [plot.x.back(edge) * (1 + 1e-9) for edge in edges[:-1]]  # the last is the largest value, however it is rounded
    found = [[bisect_right(values, v) / len(values) for v in at] if values else [] for values in ordered]
    marks = [_line(i, stairs(edges, [plot.y(v) for v in shares])) for i, shares in enumerate(found)]
    tips = []
    for k in range(0, columns, 8):
        lines = "\n".join(
            f"{label}: {percent(shares[k])}" for label, shares in zip(labels, found, strict=True) if shares
        )
        text = el("title", esc(f"up to {words(at[k])}\n{lines}"))
        tips.append(el("rect", text, class_="hit", x=edges[k] - 4, width=8, height=plot.inner_height))
    return plot.figure(caption, [*marks, *tips])


def by_width(samples: Sequence[Sample], labels: Sequence[str]) -> Figure:
    """Waits by the width of jobs."""
    sizes = [(s.wait, s.width) for s in samples]
    return _by_class("wait-by-width", "Wait by width of job, in cores", WIDTH_CLASSES, sizes, labels)


def by_length(samples: Sequence[Sample], labels: Sequence[str]) -> Figure:
    """Waits by the run time of jobs."""
    sizes = [(s.wait, s.run) for s in samples]
    return _by_class("wait-by-length", "Wait by run time of job", LENGTH_CLASSES, sizes, labels)


def _by_class(
    name: str,
    title: str,
    classes: Sequence[tuple[float, str]],
    found: Sequence[tuple[Sequence[float], Sequence[float]]],
    labels: Sequence[str],
) -> Figure:
    """Of the waits and sizes of each policy, by class of size: the mean as a dot, from the median to the 90th percentile a bar."""
    bounds = [bound for bound, _ in classes]
    members: list[list[list[float]]] = []  # policy, class -> waits, ascending
    for waits_, sizes in found:
        mine: list[list[float]] = [[] for _ in classes]
        for wait, size in zip(waits_, sizes, strict=True):
            mine[bisect_left(bounds, size)].append(wait)
        members.append([sorted(values) for values in mine])
    shown = [k for k in range(len(classes)) if any(mine[k] for mine in members)]
    ticks = []
    for place, k in enumerate(shown):
        most = max(len(mine[k]) for mine in members)
        ticks.append((place + 0.5, f"{class_label(classes[k][1])}\n{_count(most)}"))
    hi = max([values[-1] for mine in members for values in mine if values] + [60.0])
    y = Axis("wait (log scale)", 0, hi, log_time_ticks(hi), LOG1P)
    x = Axis("below each class, its number of jobs", 0, max(len(shown), 1), ticks)
    plot = Plot(HALF, 200, x, y, policy_legend(labels, HALF, dots=True))
    marks = []
    for i, (mine, label) in enumerate(zip(members, labels, strict=True)):
        for place, k in enumerate(shown):
            if mine[k]:
                at = plot.x(place + 0.5 + 0.7 * ((i + 0.5) / len(labels) - 0.5))
                marks.append(_range(plot, i, at, mine[k], f"{label}, {class_label(classes[k][1])}"))
    note = "A dot is the mean wait of a class, its bar reaches from the median to the 90th percentile; lower is better."
    return plot.figure(Caption(name, title, note), marks)


def _range(plot: Plot, policy: int, x: float, values: Sequence[float], words: str) -> str:
    median, high = quantile(values, 0.5) or 0.0, quantile(values, 0.9) or 0.0
    mean = sum(values) / len(values)
    told = f"{words}\nmean {span(mean)}\nmedian {span(median)}\n90 % within {span(high)}\n{len(values):,} jobs"
    top, bottom = plot.y(high), plot.y(median)
    return el(
        "g",
        el("title", esc(told)),
        el("path", class_=f"span {style.line(policy)}", d=f"M{num(x)} {num(bottom + 1)}V{num(top - 1)}"),
        el("circle", class_=f"dot {style.fill(policy)}", cx=x, cy=plot.y(mean), r=4),
        class_=f"p{policy}",
    )


def _count(n: int) -> str:
    return f"{n:,}" if n < 1_000_000 else f"{n / 1e6:.3g} M"


def table(found: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Figure:
    """The headline numbers of `fluxplug.sim.metrics.metrics` side by side, the best of each row marked; six policies a block."""
    blocks = []
    y = 0.0
    for first in range(0, max(len(found), 1), 6):
        part = labels[first : first + 6]
        rows = summary(found[first : first + 6])
        blocks.append(_block(rows, part, first, y))
        y += 20 * len(rows) + 50
    note = "Headline numbers, the best of each row with a dot."
    return Figure(Caption("summary", "Summary", note), FULL, y, "".join(blocks))


def _block(rows: Sequence[Row], labels: Sequence[str], first: int, top: float) -> str:
    column = min(180.0, (FULL - 240) / max(len(labels), 1))
    right = [240 + column * (k + 1) for k in range(len(labels))]
    most = max(6, int(column / 7))
    parts = []
    for k, label in enumerate(labels):
        shade = el("rect", class_=style.fill(first + k), x=right[k] - 24, y=top + 20, width=24, height=3)
        parts.append(el("text", esc(label, most), class_="head", x=right[k], y=top + 14, text_anchor="end") + shade)
    for n, row in enumerate(rows):
        y = top + 43 + 20 * n
        parts.append(el("text", esc(row.label), x=2, y=y))
        for k, text in enumerate(row.texts):
            best = k in row.best
            parts.append(el("text", esc(text), class_="head" if best else "value", x=right[k], y=y, text_anchor="end"))
            if best:
                parts.append(el("circle", class_=style.fill(first + k), cx=right[k] + 8, cy=y - 4, r=3))
        parts.append(el("path", class_="grid", d=f"M0 {num(y + 6)}H{num(right[-1] + 14 if right else FULL)}"))
    return "".join(parts)
