"""The only place that reads the time. Everything else is given a clock, so that a simulation is the real code."""

from __future__ import annotations

import math
import time
from typing import Protocol

from fluxplug.errors import ParseError
from fluxplug.values.duration import parse_fsd

_DAY = 86400.0


class Clock(Protocol):
    """Anything with `now()`: seconds since an epoch that its owner chooses."""

    def now(self) -> float:
        """The present instant, in seconds."""


class SystemClock:
    """Wall-clock seconds since 1970."""

    def now(self) -> float:
        return time.time()


class SteadyClock:
    """Seconds since 1970 that go on evenly, whatever is done to the wall clock meanwhile: it is read once.

    A live instance decides by this one, so that a jump of the wall clock ends no job early and starts none late. `floor`: an instant
    before which it does not begin, for an instance that goes on where it was left.
    """

    def __init__(self, floor: float = 0.0) -> None:
        self.offset = max(time.time(), floor) - since_boot()

    def now(self) -> float:
        return since_boot() + self.offset


def since_boot() -> float:
    """Seconds since this host was started, sleep included: the same for all of its processes. A SteadyClock adds its `offset`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ManualClock:
    """A clock that moves when it is told to: for simulations and tests.

    `time` may be assigned; it never moves by itself.
    """

    __slots__ = ("time",)

    def __init__(self, time: float = 0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time


def stopwatch() -> float:
    """Seconds of a monotonic counter, for progress displays and benchmarks; never for a scheduling decision."""
    return time.perf_counter()


def parse_local(text: str, now: float) -> float:
    """Seconds since 1970 of a local `YYYY-MM-DD HH:MM[:SS]`, or of the first HH:MM[:SS] after `now`; `T` may stand for the blank.

    Raises ValueError for anything else.
    """
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"):
        try:
            found = time.strptime(text.strip().replace("T", " "), form)
        except ValueError:
            continue
        if form.startswith("%Y"):
            return time.mktime((*found[:8], -1))
        today = time.localtime(now)
        at = time.mktime((*today[:3], *found[3:6], 0, 0, -1))
        return at if at > now else time.mktime((today[0], today[1], today[2] + 1, *found[3:6], 0, 0, -1))
    raise ValueError(f"no date or time: {text!r}")


def parse_datetime(text: str, now: float, *, past: bool = False) -> float:
    """Seconds since 1970 of `now`, `+TIME`, `-TIME` (a duration: ms s m h d), or a local date or time as `parse_local` has them.

    A time of day means the next one, or the last one with `past`. Raises ParseError (a ValueError) for anything else.
    """
    text = text.strip()
    if text == "now":
        return now
    if text[:1] in ("+", "-") and (text[1:2].isalnum() or text[1:2] == "."):
        distance = parse_fsd(text[1:])
        if not math.isinf(distance):
            return now + distance if text[0] == "+" else now - distance
    try:
        return parse_local(text, now - _DAY if past else now)
    except (ValueError, OverflowError) as error:
        accepted = "now, +TIME or -TIME (ms s m h d), HH:MM[:SS] or YYYY-MM-DD [HH:MM[:SS]]"
        raise ParseError(f"expected a time: {accepted}", text) from error


def format_local(seconds: float, form: str) -> str:
    """Local date and time of seconds since 1970 by a strftime format, in which %f is microseconds.

    Raises ValueError for an instant that no calendar has.
    """
    whole = math.floor(seconds) if math.isfinite(seconds) else 0
    try:
        local = time.localtime(seconds)
        if "%f" in form:
            form = form.replace("%f", f"{min(int((seconds - whole) * 1e6 + 0.5), 999999):06}")
        return time.strftime(form, local)
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError(f"no date: {seconds!r} seconds since 1970") from error


def same_day(one: float, other: float) -> bool:
    """Whether two instants are on the same local day."""
    return format_local(one, "%Y%j") == format_local(other, "%Y%j")
