"""The only place that reads the time. Everything else is given a clock, so that a simulation is the real code."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything with `now()`: seconds since an epoch that its owner chooses."""

    def now(self) -> float:
        """The present instant, in seconds."""


class SystemClock:
    """Wall-clock seconds since 1970."""

    def now(self) -> float:
        return time.time()


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
