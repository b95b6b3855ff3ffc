"""A finished schedule, in columns: what a simulation makes, and what metrics and reports read.

One row a job, in the order of the log. Columns are arrays, so that a million jobs stay small.
"""

from __future__ import annotations

import csv
import math
from array import array
from typing import TYPE_CHECKING, TextIO

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

UNSET = math.nan


def _times() -> array[float]:
    return array("d")


def _counts() -> array[int]:
    return array("q")


def plain(seconds: float) -> str:
    """A time as text: whole seconds without a fraction, unset (NaN) as nothing."""
    if seconds != seconds:  # noqa: PLR0124 - NaN alone differs from itself, and this runs for every cell
        return ""
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)


@define
class Schedule:
    """The outcome of every job of a trace under one policy.

    `start` and `end` are NaN for a job that never started (refused, cancelled while pending, or still waiting when the
    simulation ended). `width` is the number of cores held, `limit` the planned seconds (0: none), `outcome` one of
    `completed`, `timeout`, `failed`, `cancelled`, `refused`, `pending`, `running`. `ranks` is the idset text of the nodes held, or
    empty. `refusals` has why, by job, for those that were refused as they came in; `notes` counts them by reason. `down` lists (rank, from, until) of node failures; `until` is infinite if the node never came back.
    """

    policy: str
    cores: int
    nodes: int
    job: array[int] = field(factory=_counts)
    submit: array[float] = field(factory=_times)
    start: array[float] = field(factory=_times)
    end: array[float] = field(factory=_times)
    width: array[int] = field(factory=_counts)
    limit: array[float] = field(factory=_times)
    outcome: list[str] = field(factory=list)
    queue: list[str] = field(factory=list)
    ranks: list[str] = field(factory=list)
    down: list[tuple[int, float, float]] = field(factory=list)
    notes: dict[str, int] = field(factory=dict)
    refusals: dict[int, str] = field(factory=dict)

    def __len__(self) -> int:
        return len(self.job)

    def started(self) -> Iterator[int]:
        """Row numbers of the jobs that started and ended, in log order."""
        start, end = self.start, self.end
        return (i for i in range(len(self.job)) if start[i] == start[i] and end[i] == end[i])

    def write_csv(self, stream: TextIO, columns: Sequence[str] = ()) -> None:
        """Write `job,submit,start,end,width`, then `columns` (from `limit`, `outcome`, `queue`, `ranks`, `reason`), a row a job."""
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["job", "submit", "start", "end", "width", *columns])
        extra = [self._column(name) for name in columns]
        head = (self.job, map(plain, self.submit), map(plain, self.start), map(plain, self.end), self.width)
        writer.writerows(zip(*head, *extra, strict=True))

    def _column(self, name: str) -> Iterable[object]:
        if name == "limit":
            return map(plain, self.limit)
        if name == "reason":
            return (self.refusals.get(job, "") for job in self.job)
        column: list[str] = getattr(self, name)
        return column
