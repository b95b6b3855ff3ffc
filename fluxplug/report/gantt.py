"""The machine over time: which job held which nodes, or how much of them was in use.

Three pictures, by the size of the schedule and what it knows: every job as a rectangle; the share in use of groups of nodes as
a heat map; the cores in use stacked by job width, where the jobs' nodes are not known or there is only one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from fluxplug.report import style
from fluxplug.report.chart import FULL, Axis, Caption, Figure, Key, Plot, hits, legend, stairs
from fluxplug.report.markup import clean, el, esc, num
from fluxplug.report.packing import Grid, Nodes, busy, levels, occupancy, place
from fluxplug.report.scale import class_label, percent, span, time_step, whole_ticks
from fluxplug.report.series import CLOSE, FAR, means
from fluxplug.sim.metrics import WIDTH_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fluxplug.report.packing import Window
    from fluxplug.report.series import Steps
    from fluxplug.sim.schedule import Schedule

#: Above any of these a schedule is summed up instead of drawn job by job: about what can still be told apart on a page.
MOST_JOBS, MOST_NODES, MOST_CORES = 2000, 200, 65536
#: The heat map's cells at most, about as small as an eye can use.
_ROWS, _COLUMNS = 72, 400
#: The down times that are drawn one by one, and the rows to which more of them are rounded.
_MOST_DOWN, _DOWN_ROWS = 2000, 170

_BAD = frozenset({"timeout", "failed", "cancelled"})
_BOUNDS = [bound for bound, _ in WIDTH_CLASSES]

#: Something down: from, until, and the lowest and highest value on the y axis.
_Down = tuple[float, float, float, float]


def gantt(schedule: Schedule, window: Window, name: str, label: str, policy: int = 0) -> Figure:
    """The machine over time under one policy, the `policy`-th of the report; less than 1 MB for any number of jobs.

    `window` is shared by the policies of a report, so that their pictures can be compared; `name` is the figure's, `label` the
    policy's.
    """
    nodes = Nodes.of(schedule)
    if len(schedule) <= MOST_JOBS and nodes.count <= MOST_NODES and schedule.cores <= MOST_CORES:
        drawing: _Picture = _Jobs(schedule, nodes, window, name)
    elif nodes.named and nodes.count > 1:
        drawing = _Heat(schedule, nodes, window, name)
    else:
        drawing = _Stack(schedule, nodes, window, name)
    return drawing.figure(f"Machine under {label}", policy)


class _Picture:
    """What the three have in common: the axes, and what was down."""

    def __init__(self, schedule: Schedule, nodes: Nodes, window: Window, name: str) -> None:
        self.schedule = schedule
        self.nodes = nodes
        self.window = window
        self.name = name
        self.by_node = nodes.named and nodes.count > 1
        self.cores = max(schedule.cores, 1)
        self.down = self._down_nodes() if self.by_node else self._down_cores()

    def figure(self, title: str, policy: int) -> Figure:
        raise NotImplementedError

    def axes(self) -> tuple[Axis, Axis]:
        if self.by_node:
            ticks = [(v + 0.5, text) for v, text in whole_ticks(0, self.nodes.count - 1, 8)]
            return Axis.time(self.window), Axis("node", 0, self.nodes.count, ticks)
        return Axis.time(self.window), Axis("cores", 0, self.cores, whole_ticks(0, self.cores, 6))

    def down_key(self) -> list[Key]:
        """The entry of the legend, if anything was down."""
        return [Key("down", el("rect", fill=f"url(#{self.name}-hatch)", width=20, height=12), 20)] if self.down else []

    def down_marks(self, plot: Plot) -> Iterator[str]:
        if not self.down:
            return
        square = el("rect", class_="hatched", width=6, height=6)
        square += el("path", class_="hatch", d="M0 0v6", stroke_width=2.4)
        yield el(
            "defs",
            el(
                "pattern",
                square,
                id=f"{self.name}-hatch",
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
                patternTransform="rotate(45)",
            ),
        )
        boxes = []
        for start, until, low, high in self.down:
            left, top = plot.x(start), plot.y(high)
            boxes.append(_box(left, top, max(plot.x(until) - left, 0.8), max(plot.y(low) - top, 1.2)))
        yield el("path", el("title", "down"), fill=f"url(#{self.name}-hatch)", d="".join(boxes))

    def _down_spans(self) -> list[tuple[float, float, int]]:
        """(from, until, row) within the window, in order."""
        lo, hi = self.window.lo, self.window.hi
        return sorted(
            (max(start, lo), min(until, hi), self.nodes.row(rank))
            for rank, start, until in set(self.schedule.down)
            if start < hi and until > max(start, lo)
        )

    def _down_nodes(self) -> list[_Down]:
        spans = [s for s in self._down_spans() if s[2] < self.nodes.count]
        if len(spans) > _MOST_DOWN:
            rows = min(self.nodes.count, _DOWN_ROWS)
            group = self.nodes.count / rows
            grid = Grid(self.window, _COLUMNS, rows)
            for start, until, row in spans:
                grid.add([(int(row / group), 1.0)], start, until)
            return [
                (grid.edges[first], grid.edges[first + count], row * group, (row + 1) * group)
                for row in range(rows)
                for _, first, count in levels([min(v, 1.0) for v in grid.means(row)], 1)
            ]
        merged: list[_Down] = []  # a rack that fails as one is one box
        for start, until, row in spans:
            if merged and merged[-1][:2] == (start, until) and merged[-1][3] == row:
                merged[-1] = (start, until, merged[-1][2], row + 1)
            else:
                merged.append((start, until, row, row + 1))
        return merged

    def _down_cores(self) -> list[_Down]:
        """As many cores as are down, from the top."""
        spans = self._down_spans()
        changes = sorted([(start, 1) for start, _, _ in spans] + [(until, -1) for _, until, _ in spans])
        level = 0
        result = []
        for (at, change), (after, _) in pairwise(changes):
            level += change
            if level and after > at:
                result.append(
                    (at, after, max(0.0, self.cores - level * self.cores / self.nodes.count), float(self.cores))
                )
        return result


class _Jobs(_Picture):
    """Every job a rectangle, or several where its nodes are not neighbours."""

    def figure(self, title: str, policy: int) -> Figure:
        schedule, nodes = self.schedule, self.nodes
        lanes = nodes.count * nodes.cores if nodes.named else self.cores
        drawn = place(schedule, nodes, self.window.hi)
        bad = {i for i in drawn if i < len(schedule.outcome) and schedule.outcome[i] in _BAD}
        keys = self.down_key()
        if bad:
            keys.append(Key("job failed, timed out or cancelled", el("path", class_="bad", d="M4 0v12"), 7))
        height = min(330, max(130, 12 * (nodes.count if self.by_node else lanes)))
        plot = Plot(FULL, height, *self.axes(), legend(keys, FULL))
        unit = plot.inner_height / lanes
        marks: list[str] = []
        ends: dict[str, list[str]] = {}  # class -> right edges
        for i in sorted(drawn):
            left = plot.x(schedule.start[i])
            wide = max(plot.x(min(self.window.hi, schedule.end[i])) - left, 0.6)  # no end yet (NaN): the window's
            boxes = [(plot.inner_height - (first + count) * unit, count * unit) for first, count in drawn[i]]
            path = "".join(_box(left, y, wide, h) for y, h in boxes)
            colour = f"j{i % len(style.JOBS)}" + (" edge" if wide > 2 else "")  # an edge would hide a thinner one
            marks.append(el("path", el("title", _about(schedule, i)), class_=colour, d=path))
            if i in bad:
                # Marks closer together than this would hide the jobs; they appear when a reader zooms in.
                kind = "bad" if wide > 5 else "bad close"
                ends.setdefault(kind, []).extend(f"M{num(left + wide)} {num(y)}v{num(h)}" for y, h in boxes)
        marks += [el("path", class_=kind, d="".join(ends[kind])) for kind in sorted(ends)]
        note = "Each rectangle is a job, as high as the cores it held; its colour is the same under every policy."
        if not self.by_node:
            note += " Which cores is not known: each job is drawn on the lowest that were free."
        return plot.over_time(Caption(self.name, title, note), marks, self.down_marks(plot)).of(policy)


class _Heat(_Picture):
    """Groups of nodes by spans of time, coloured by the share of their cores in use."""

    def figure(self, title: str, policy: int) -> Figure:
        steps, count = len(style.RAMP), self.nodes.count
        group = math.ceil(count / _ROWS)
        rows = math.ceil(count / group)
        scale = "".join(el("rect", class_=f"r{k + 1} crisp", x=k * 14, width=14, height=12) for k in range(steps))
        key = legend([Key("share of cores in use, up to 100 %", scale, 14 * steps), *self.down_key()], FULL)
        plot = Plot(FULL, max(120, min(330, rows * 10)), *self.axes(), key)
        grid = Grid(self.window, _COLUMNS, rows)
        lefts = [num(plot.x(edge)) for edge in grid.edges]
        runs: dict[tuple[int, float], list[str]] = {}  # (level, height of the row) -> path
        for row, shares in enumerate(occupancy(self.schedule, self.nodes, grid, group)):
            bottom, top = plot.y(row * group), plot.y(min((row + 1) * group, count))
            y = num((bottom + top) / 2)
            for level, first, n in levels(shares, steps):
                runs.setdefault((level, round(bottom - top, 2)), []).append(f"M{lefts[first]} {y}H{lefts[first + n]}")
        # A run of cells is a line as thick as a row, which takes a third of the text of a rectangle.
        marks = [el("path", class_=f"s{k} crisp", stroke_width=h, d="".join(runs[k, h])) for k, h in sorted(runs)]
        cell = "a node" if group == 1 else f"{group} nodes"
        note = (
            f"Each cell is {cell} over {span(grid.column)}; the stronger its colour, the more of its cores were in use."
        )
        return plot.over_time(Caption(self.name, title, note), marks, self.down_marks(plot)).of(policy)


class _Stack(_Picture):
    """Cores in use over time, stacked by the width of the jobs that hold them."""

    def figure(self, title: str, policy: int) -> Figure:
        schedule, window = self.schedule, self.window
        grid = Grid(window, CLOSE, len(_BOUNDS))
        for i, start, end in busy(schedule, window.hi):
            grid.add([(bisect_left(_BOUNDS, schedule.width[i]), schedule.width[i])], start, end)
        close = [(grid.edges, grid.means(row)) for row in range(len(_BOUNDS))]
        far = [means(steps, window, FAR) for steps in close]
        shown = [row for row, (_, values) in enumerate(close) if any(values)]
        keys = [
            Key(class_label(WIDTH_CLASSES[row][1]), el("rect", class_=f"w{row}", width=14, height=12), 14)
            for row in shown
        ]
        plot = Plot(FULL, 200, *self.axes(), legend([Key("cores a job:"), *keys, *self.down_key()], FULL))
        total = [sum(column) / self.cores for column in zip(*(values for _, values in far), strict=True)]
        tips = hits(plot, [("in use", means((far[0][0], total), window, 120))], percent)
        column = span(time_step((window.hi - window.lo) / FAR))
        note = f"Cores in use, by the width of the jobs that held them; means over {column}."
        marks, detail = self._areas(plot, far), self._areas(plot, close)
        return plot.over_time(Caption(self.name, title, note), marks, [*self.down_marks(plot), *tips], close=detail).of(
            policy
        )

    @staticmethod
    def _areas(plot: Plot, used: Sequence[Steps]) -> list[str]:
        """The widest at the bottom; each area reaches down to the axis, under those drawn after it."""
        edges = [plot.x(edge) for edge in used[0][0]]
        total = [0.0] * (len(edges) - 1)
        areas = []
        for row, (_, values) in reversed(list(enumerate(used))):
            if any(values):
                total = [a + b for a, b in zip(total, values, strict=True)]
                path = stairs(edges, [round(plot.y(v), 1) for v in total], close=plot.inner_height)
                areas.append(el("path", class_=f"w{row}", d=path))
        return areas[::-1]


def _box(x: float, y: float, wide: float, high: float) -> str:
    return f"M{num(x)} {num(y)}h{num(wide)}v{num(high)}h-{num(wide)}z"


def _about(schedule: Schedule, i: int) -> str:
    """What a reader sees who points at a job."""
    start, end = schedule.start[i], schedule.end[i]
    words = [f"job {schedule.job[i]}", f"{schedule.width[i]:,} core{'s' * (schedule.width[i] != 1)}"]
    if i < len(schedule.ranks) and schedule.ranks[i]:
        ranks = clean(schedule.ranks[i], 60)
        words.append(f"on node {ranks}" if ranks.isdigit() else f"on nodes {ranks}")
    if i < len(schedule.queue) and schedule.queue[i]:
        words.append(f"queue {clean(schedule.queue[i], 40)}")
    words.append(f"started at {span(start)}, after a wait of {span(start - schedule.submit[i])}")
    words.append(f"ran {span(end - start)}" if end == end else "still running")  # noqa: PLR0124 - not NaN
    if i < len(schedule.outcome) and schedule.outcome[i] in _BAD:
        words.append(schedule.outcome[i])
    return esc("\n".join(words))
