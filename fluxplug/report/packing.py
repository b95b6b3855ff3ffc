"""Where and when the machine was busy: jobs placed on cores, and sums over columns of time.

Pure data, no drawing. A small schedule is placed exactly, core by core (`place`); a large one is summed into a grid
(`Grid`), because neither a reader nor a browser has use for a hundred thousand rectangles.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import frozen

from fluxplug.report.scale import time_step
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fluxplug.sim.schedule import Schedule

#: A stretch of neighbouring cores, nodes or columns: the first and how many.
Stretch = tuple[int, int]


@frozen
class Window:
    """The span of time that a picture shows, in seconds of the log; `lo` < `hi`, both finite."""

    lo: float
    hi: float

    @classmethod
    def around(cls, schedules: Sequence[Schedule]) -> Window:
        """From the first submission to the last end of any of the schedules; a day where there is neither."""
        lo = min((min(s.submit) for s in schedules if len(s)), default=0.0)
        finite = (t for s in schedules for column in (s.submit, s.start, s.end) for t in column if t < math.inf)
        hi = max(finite, default=lo + 86400.0)
        return cls(lo, hi if hi > lo else lo + 1.0)


def busy(schedule: Schedule, until: float) -> Iterator[tuple[int, float, float]]:
    """(row, start, end) of each job that held cores; of one that still ran when the simulation ended, `until` is the end."""
    for i, (start, end) in enumerate(zip(schedule.start, schedule.end, strict=True)):
        if start == start:  # noqa: PLR0124 - not NaN
            yield i, start, end if end == end else until  # noqa: PLR0124


@frozen
class Nodes:
    """The nodes of a schedule as rows from 0, whatever numbers their ranks have; and the node stretches of each job."""

    count: int
    cores: int  # a node; the most of any where they differ
    held: Sequence[tuple[Stretch, ...]]  # a row a job; empty where the schedule does not say
    _known: IDset | None = None  # the ranks by row, if rank and row differ

    @classmethod
    def of(cls, schedule: Schedule) -> Nodes:
        """Read the `ranks` column. Each distinct text is parsed once."""
        parsed: dict[str, tuple[Stretch, ...]] = {"": ()}
        for text in schedule.ranks:
            if text not in parsed:
                parsed[text] = tuple((first, last - first + 1) for first, last in IDset(text).ranges())
        count = max(schedule.nodes, 1)
        known = None
        if max((s[-1][0] + s[-1][1] for s in parsed.values() if s), default=0) > count:
            # The machine is a part of a larger one: its ranks do not begin at 0, or have holes.
            known = IDset()
            for stretches in parsed.values():
                for first, n in stretches:
                    known.set(first, first + n - 1)
            for rank, _, _ in schedule.down:
                known.set(rank)
            count = max(count, known.count())
            parsed = {text: _renumber(stretches, known) for text, stretches in parsed.items()}
        held = [parsed[text] for text in schedule.ranks] or [()] * len(schedule)
        return cls(count, max(1, math.ceil(schedule.cores / count)), held, known)

    @property
    def named(self) -> bool:
        """Whether any job says which nodes it held."""
        return any(self.held)

    def row(self, rank: int) -> int:
        """The row of a rank that a job held or that was down."""
        return rank if self._known is None else _renumber(((rank, 1),), self._known)[0][0]


def _renumber(stretches: tuple[Stretch, ...], known: IDset) -> tuple[Stretch, ...]:
    """The stretches with each rank replaced by its place among the `known` ranks, of which each stretch is a part."""
    result = []
    place, ranges = 0, known.ranges()
    low, high = next(ranges)
    for first, n in stretches:
        while first > high:
            place += high + 1 - low
            low, high = next(ranges)
        result.append((place + first - low, n))
    return tuple(result)


def place(schedule: Schedule, nodes: Nodes, until: float) -> dict[int, list[Stretch]]:
    """The cores that each job is drawn on, by row number; cores are counted through all nodes from 0.

    Where the schedule names nodes, a job's cores are spread evenly over its nodes and are the lowest free ones of each. Where
    it does not, the machine is one row of cores and a job gets the lowest free ones. A schedule that oversubscribes, which
    none of ours does, gives a job fewer cores than its width. Linear in jobs times nodes held.
    """
    named = nodes.named
    free = [(1 << nodes.cores) - 1] * nodes.count if named else [(1 << max(schedule.cores, 1)) - 1]
    events = []
    for i, start, end in busy(schedule, until):
        if end > start:
            events += [(start, 1, i), (end, 0, i)]
    events.sort()
    taken: dict[int, list[tuple[int, int]]] = {}  # row -> (node, mask of cores)
    result: dict[int, list[Stretch]] = {}
    for _, starts, i in events:
        if not starts:
            for node, mask in taken.pop(i, ()):
                free[node] |= mask
            continue
        mine = [n for first, count in nodes.held[i] for n in range(first, first + count)] if named else [0]
        if not mine:
            continue
        share, extra = divmod(schedule.width[i], len(mine))
        taken[i] = []
        stretches: list[Stretch] = []
        for k, node in enumerate(mine):
            mask = _lowest(free[node], max(1, share + (k < extra)))
            free[node] &= ~mask
            taken[i].append((node, mask))
            stretches += [(node * nodes.cores + first, count) for first, count in _runs(mask)]
        result[i] = _joined(stretches)
    return result


def _lowest(mask: int, count: int) -> int:
    """The `count` lowest one-bits of `mask`, or all of them if there are fewer."""
    picked = 0
    for first, length in _runs(mask):
        length = min(length, count)
        picked |= ((1 << length) - 1) << first
        count -= length
        if not count:
            break
    return picked


def _runs(mask: int) -> Iterator[Stretch]:
    """The stretches of one-bits, from the lowest."""
    base = 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        length = (~mask & (mask + 1)).bit_length() - 1
        yield base + skip, length
        base += skip + length
        mask >>= length


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """Stretches, ascending, with those that touch made one."""
    result: list[Stretch] = []
    for first, count in stretches:
        if result and result[-1][0] + result[-1][1] == first:
            result[-1] = (result[-1][0], result[-1][1] + count)
        else:
            result.append((first, count))
    return result


class Grid:
    """Means over rows and columns of time: adding a span costs the same however many columns it covers.

    Columns are a round length of time each and begin at round instants; the first and the last are cut to the window.
    `part` holds what a span adds to the columns in which it begins and ends, `step` the change of level from a column to the
    next; `means` puts them together.
    """

    def __init__(self, window: Window, most: int, rows: int = 1) -> None:
        """At most `most` columns, and one for where the window does not begin at a round instant."""
        self.column = time_step((window.hi - window.lo) / most)
        self._lo = math.floor(window.lo / self.column) * self.column
        self.columns = max(1, math.ceil((window.hi - self._lo) / self.column))
        inner = [self._lo + k * self.column for k in range(1, self.columns)]
        self.edges = [window.lo, *inner, window.hi]
        self._part = [[0.0] * (self.columns + 2) for _ in range(rows)]
        self._step = [[0.0] * (self.columns + 2) for _ in range(rows)]

    def add(self, rows: Iterable[tuple[int, float]], start: float, end: float) -> None:
        """Add to each (row, amount) that amount from `start` to `end`; what lies outside the window is ignored."""
        x0 = (max(start, self.edges[0]) - self._lo) / self.column
        x1 = (min(end, self.edges[-1]) - self._lo) / self.column
        if x1 <= x0:
            return
        c0, c1 = int(x0), int(x1)
        if c0 == c1:
            for row, amount in rows:
                self._part[row][c0] += amount * (x1 - x0)
            return
        first, last = c0 + 1 - x0, x1 - c1
        for row, amount in rows:
            part, step = self._part[row], self._step[row]
            part[c0] += amount * first
            part[c1] += amount * last
            step[c0 + 1] += amount
            step[c1] -= amount

    def share(self, column: int) -> float:
        """The share of a column that lies in the window."""
        return (self.edges[column + 1] - self.edges[column]) / self.column

    def means(self, row: int = 0) -> list[float]:
        """The mean over each column of what was added."""
        level = 0.0
        result = []
        for part, step in zip(self._part[row][: self.columns], self._step[row], strict=False):
            level += step
            result.append(max(level + part, 0.0))  # differences of sums leave rounding errors around zero
        for end in {0, self.columns - 1}:
            result[end] /= max(self.share(end), 1e-9)
        return result


def occupancy(schedule: Schedule, nodes: Nodes, grid: Grid, group: int) -> list[list[float]]:
    """The share in use of each `group` neighbouring nodes (the last group may have fewer), by column of the grid.

    The grid must have a row a group. Linear in jobs times groups held.
    """
    rows = math.ceil(nodes.count / group)
    sizes = [min(group, nodes.count - row * group) for row in range(rows)]
    pieces: dict[tuple[tuple[Stretch, ...], int], list[tuple[int, float]]] = {}  # of stretches and widths seen before
    for i, start, end in busy(schedule, grid.edges[-1]):
        held, width = nodes.held[i], schedule.width[i]
        if (held, width) not in pieces:
            pieces[held, width] = _groups(held, group, sizes, width / nodes.cores)
        grid.add(pieces[held, width], start, end)
    return [[min(v, 1.0) for v in grid.means(row)] for row in range(rows)]


def _groups(held: tuple[Stretch, ...], group: int, sizes: Sequence[int], amount: float) -> list[tuple[int, float]]:
    """(group, share of it in use) where `amount` nodes' worth of cores is spread evenly over the stretches."""
    counts: dict[int, int] = {}
    for first, count in held:
        stop = first + count
        for row in range(first // group, (stop - 1) // group + 1):
            counts[row] = counts.get(row, 0) + min(stop, (row + 1) * group) - max(first, row * group)
    each = amount / max(sum(counts.values()), 1)
    return [(row, count * each / sizes[row]) for row, count in sorted(counts.items())]


def levels(row: Sequence[float], steps: int) -> Iterator[tuple[int, int, int]]:
    """(level, first column, columns) of the runs of equal level, where a share of one falls into 1..`steps`; 0 is left out.

    Any use at all is level 1 at least, so that nothing that ran disappears.
    """
    values = [0 if v < 1e-6 else min(steps, 1 + int(v * steps * (1 - 1e-9))) for v in row]
    edges = [0, *(c for c in range(1, len(values)) if values[c] != values[c - 1]), len(values)]
    for first, stop in pairwise(edges):
        if first < stop and values[first]:
            yield values[first], first, stop - first
