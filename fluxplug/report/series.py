"""Step functions over time, cut to the window of a report: exact where the steps are few, means over round spans elsewhere.

Pure data. Called by the figures that have a time axis; the step functions themselves come from `fluxplug.sim.metrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from fluxplug.report.packing import Grid
from fluxplug.report.scale import time_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.report.packing import Window

#: `values[i]` holds from `edges[i]` to `edges[i + 1]`: one more edge than values.
Steps: TypeAlias = "tuple[Sequence[float], Sequence[float]]"

#: As many columns as a line over a page's width can have before it turns into noise, and for a reader who zooms in; and as many
#: steps as are drawn one by one.
FAR, CLOSE, MOST_EXACT = 240, 1760, 120
# The share of a column below which it is not worth a mean of its own.
_PIECE = 0.5


def cut(times: Sequence[float], values: Sequence[float], window: Window) -> Steps:
    """The function that is `values[k]` from `times[k]` until the next, and 0 before the first, between the window's ends."""
    edges, held = [window.lo], [0.0]
    for time, value in zip(times, values, strict=True):
        if time <= window.lo:
            held[0] = value
        elif time < window.hi:
            edges.append(time)
            held.append(value)
    return [*edges, window.hi], held


def means(steps: Steps, window: Window, columns: int) -> Steps:
    """The function's means over at most about `columns` spans, each a round length of time that begins at a round instant.

    Pieces of a column at the window's ends are part of their neighbour.
    """
    grid = Grid(window, columns)
    edges, values = steps
    for i, value in enumerate(values):
        if value:
            grid.add([(0, value)], edges[i], edges[i + 1])
    ends, found = list(grid.edges), grid.means()
    for end, inner in ((-1, -2), (0, 1)):
        share = grid.share(end % grid.columns)
        if len(found) > 2 and share < _PIECE:
            found[inner] = (found[inner] + found[end] * share) / (1 + share)
            del found[end], ends[inner]
    return ends, found


@frozen
class Lines:
    """Functions to draw over one window: as seen from `far`, and `close` by (nothing, where they are exact already).

    `column` is the seconds that each mean of `far` is over; 0 if they are exact.
    """

    window: Window
    far: Sequence[Steps]
    close: Sequence[Steps] = ()
    column: float = 0.0

    @classmethod
    def of(cls, functions: Sequence[Steps], window: Window) -> Lines:
        """All of them exact; or if any has too many steps, all as means."""
        if all(len(values) <= MOST_EXACT for _, values in functions):
            return cls(window, functions)
        close = [means(f, window, CLOSE) for f in functions]
        return cls(window, [means(f, window, FAR) for f in close], close, time_step((window.hi - window.lo) / FAR))
