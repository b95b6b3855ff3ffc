"""From values to coordinates and to words: scales, ticks, and times and numbers as people read them.

Not here: drawing. Called by everything in this package that has an axis or a table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MINUTE, HOUR, DAY = 60, 3600, 86400

#: What stands for a number that there is not.
NONE = "\N{EN DASH}"

Tick = tuple[float, str]

_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(m * MINUTE for m in (1, 2, 5, 10, 15, 30)),
    *(h * HOUR for h in (1, 2, 3, 6, 12)),
)
_LOG_TIMES: tuple[Tick, ...] = (
    (0, "0"),
    (1, "1 s"),
    (10, "10 s"),
    (MINUTE, "1 min"),
    (10 * MINUTE, "10 min"),
    (HOUR, "1 h"),
    (6 * HOUR, "6 h"),
    *((DAY * 10**k, f"{10**k:,} d") for k in range(9)),
)


@frozen
class Bend:
    """How an axis is bent: `to` what is linear on it, and `back`. Both grow with their argument."""

    to: Callable[[float], float]
    back: Callable[[float], float]


SAME = Bend(lambda v: v, lambda u: u)
#: For values from 1.
LOG = Bend(lambda v: math.log10(v) if v > 1 else 0.0, lambda u: 10.0**u)
#: Logarithmic, with a place for 0.
LOG1P = Bend(lambda v: math.log10(1 + v) if v > 0 else 0.0, lambda u: 10.0**u - 1)


@frozen
class Scale:
    """Maps `lo`..`hi` onto the coordinates `a`..`b`, through `bend`; outside values are held at the ends."""

    lo: float
    hi: float
    a: float
    b: float
    bend: Bend = SAME
    _factor: float = field(init=False)
    _base: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        base = self.bend.to(self.lo)
        reach = self.bend.to(self.hi) - base
        object.__setattr__(self, "_base", base)
        object.__setattr__(self, "_factor", (self.b - self.a) / reach if reach > 0 else 0.0)

    def __call__(self, value: float) -> float:
        held = self.lo if value < self.lo else min(value, self.hi)
        return self.a + (self.bend.to(held) - self._base) * self._factor

    def back(self, coordinate: float) -> float:
        """The value at a coordinate; the scale must have a length."""
        return self.bend.back(self._base + (coordinate - self.a) / self._factor)


def nice(step: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not less than `step`, which is positive."""
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 5):
        if factor * power >= step * (1 - 1e-9):
            return factor * power
    return 10 * power


def time_step(least: float) -> float:
    """The least round number of seconds, minutes, hours or days that is not less than `least`, which is positive."""
    if least <= 1:
        return nice(least)
    for step in _TIME_STEPS:
        if step >= least:
            return step
    return nice(least / DAY) * DAY


def _multiples(lo: float, hi: float, step: float) -> list[float]:
    first = math.ceil(lo / step - 1e-9)
    values = [
        k * step for k in range(first, first + 100)
    ]  # no axis has a hundred ticks; a span below one ulp stops here
    return sorted({min(max(v, lo), hi) for v in values if v <= hi + step * 1e-9})  # rounding leads no tick outside


def time_ticks(lo: float, hi: float, most: int = 9) -> list[Tick]:
    """At most about `most` round instants in `lo`..`hi`, as days, or within days as clock times since the start."""
    step = time_step((hi - lo) / most)
    values = _multiples(lo, hi, step)
    return [(v, _instant(v, step, hi, first=i == 0)) for i, v in enumerate(values)]


def _instant(t: float, step: float, hi: float, *, first: bool) -> str:
    """The label of a tick. The page's script holds the same rules, for the axis of a part that is zoomed into."""
    if step >= DAY:
        return f"{t / DAY:,.0f} d"
    if step < 1 or hi <= 2 * MINUTE:
        return f"{t:g} s"
    if hi <= 2 * HOUR and step >= MINUTE:
        return f"{t / MINUTE:.0f} min"
    if hi <= 2 * DAY and step >= HOUR:
        return f"{t / HOUR:.0f} h"
    day, rest = divmod(round(t), DAY)
    clock = f"{rest // HOUR}:{rest % HOUR // MINUTE:02}" + (f":{rest % MINUTE:02}" if step < MINUTE else "")
    if rest == 0 and hi > DAY:
        return f"{day:,} d"
    return f"{day:,} d {clock}" if first and day else clock


def number_ticks(lo: float, hi: float, most: int = 6) -> list[Tick]:
    """At most about `most` round numbers in `lo`..`hi`."""
    step = nice((hi - lo) / most)
    return [(v, f"{v:,.10g}") for v in _multiples(lo, hi, step)]


def whole_ticks(lo: float, hi: float, most: int = 6) -> list[Tick]:
    """As `number_ticks`, for counts: whole numbers alone."""
    step = max(1.0, nice((hi - lo) / most))
    return [(v, f"{v:,.0f}") for v in _multiples(lo, hi, step)]


def log_time_ticks(hi: float) -> list[Tick]:
    """Round times from 0 to `hi` for an axis bent by `LOG1P`."""
    return [tick for tick in _LOG_TIMES if tick[0] <= hi]


def log_ticks(lo: float, hi: float) -> list[Tick]:
    """Powers of ten in `lo`..`hi`, with 2 and 5 times these where the axis is short. `lo` 0 is kept, for `LOG1P`."""
    factors = (1, 2, 5) if hi <= 100 * max(lo, 1) else (1,)
    values = [f * 10.0**k for k in range(16) for f in factors]
    return [(v, number(v)) for v in ([0.0] if lo <= 0 else []) + values if lo <= v <= hi]


def apart(ticks: Sequence[Tick], scale: Scale, gap: float) -> list[Tick]:
    """The ticks without those that lie less than `gap` from the one kept before them."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or abs(scale(tick[0]) - scale(kept[-1][0])) >= gap:
            kept.append(tick)
    return kept


def number(value: float) -> str:
    """Three significant digits, no fewer than the whole part, with separators: `6,829`, `93.0`, `1.23`, `10 M`."""
    if not math.isfinite(value):
        return "∞" if value > 0 else NONE
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    if value == int(value):
        return f"{int(value):,}"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `4 d 2 h`, `1 h 55 min`, `37 s`, `NONE` if it is not known."""
    if not math.isfinite(seconds):
        return "∞" if seconds > 0 else NONE
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < MINUTE - 0.5:
        return f"{number(seconds)} s"
    for size, name, small, small_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        units = round(seconds / small)
        if units * small >= size:
            whole, rest = divmod(units * small, size)
            return f"{whole:,} {name}" + (f" {rest // small} {small_name}" if rest else "")
    return f"{seconds:.0f} s"


def factor(value: float) -> str:
    """A ratio, with two decimals where it is small."""
    return f"{value:.2f}" if value < 10 else number(value)


def class_label(label: str) -> str:
    """The name that `fluxplug.sim.metrics` gives a class of sizes, as short as an axis needs."""
    return label.replace("to ", "≤").replace("over ", ">").replace("-", NONE)


def percent(share: float) -> str:
    """A share of one as a percentage with one decimal."""
    return f"{share * 100:.1f} %" if math.isfinite(share) else NONE
