"""Amounts over time: one pool (`Planner`), and several pools that are booked together (`Filter`). Section 4."""

from __future__ import annotations

import bisect
import errno
from typing import TYPE_CHECKING

from fluxplug_pool_graph.matcher import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterator


class RefusedError(Exception):
    """A question with the answer no; `code` is the errno."""

    def __init__(self, code: int) -> None:
        super().__init__(errno.errorcode[code])
        self.code = code


class Planner:
    """One pool of `total` over [0, FOREVER): scheduled points with what remains from each on. Point 0 always exists."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.times = [0]
        self.remaining = {0: total}
        self.users = {0: 1}
        self.spans: dict[int, tuple[int, int, int]] = {}
        self._next_span = 0

    def available(self, at: int, duration: int) -> int:
        """The least that remains at any moment of [at, at + duration)."""
        if duration < 1:
            raise RefusedError(errno.EINVAL)
        if at + duration > FOREVER:
            raise RefusedError(errno.ERANGE)
        return min(self.remaining[time] for time in self._points_of(at, at + duration))

    def fits(self, at: int, duration: int, amount: int) -> None:
        """Raise RefusedError unless `amount` remains over the whole window."""
        if amount > self.total:
            raise RefusedError(errno.ERANGE)
        if self.available(at, duration) < amount:
            raise RefusedError(errno.EBUSY)

    def add(self, at: int, duration: int, amount: int) -> int:
        """Book, and return the span."""
        self.fits(at, duration, amount)
        for time in (at, at + duration):
            if time not in self.remaining:
                before = self.times[bisect.bisect_right(self.times, time) - 1]
                bisect.insort(self.times, time)
                self.remaining[time] = self.remaining[before]
                self.users[time] = 0
            self.users[time] += 1
        self._change(at, at + duration, -amount)
        self._next_span += 1
        self.spans[self._next_span] = (at, at + duration, amount)
        return self._next_span

    def remove(self, span: int) -> None:
        """Undo a booking."""
        start, end, amount = self.spans.pop(span)
        self._change(start, end, amount)
        for time in (start, end):
            self.users[time] -= 1
            if not self.users[time]:
                self.times.remove(time)
                del self.remaining[time], self.users[time]

    def reduce(self, span: int, amount: int) -> int:
        """Take `amount` off a booking; return what it still has."""
        start, end, booked = self.spans[span]
        amount = min(amount, booked)
        self._change(start, end, amount)
        self.spans[span] = (start, end, booked - amount)
        return booked - amount

    def resize(self, total: int) -> None:
        """Change the total (7.5). A gain reaches only the first point, a loss all of them, never below 0."""
        difference = total - self.total
        for time in self.times[:1] if difference > 0 else self.times:
            self.remaining[time] = max(0, self.remaining[time] + difference)
        self.total = total

    def _points_of(self, start: int, end: int) -> Iterator[int]:
        # The point before the window rules its beginning.
        for time in self.times[bisect.bisect_right(self.times, start) - 1 :]:
            if time >= end:
                return
            yield time

    def _change(self, start: int, end: int, amount: int) -> None:
        for time in self.times:
            if start <= time < end:
                self.remaining[time] += amount


class Filter:
    """Several planners, one per type, that always have the same points (4.2)."""

    def __init__(self, totals: dict[str, int]) -> None:
        self.planners = {kind: Planner(total) for kind, total in totals.items()}
        self.spans: dict[int, dict[str, int]] = {}
        self._next_span = 0

    def fits(self, at: int, duration: int, amounts: dict[str, int]) -> None:
        """Raise RefusedError unless every amount fits; types that are not counted here do not matter."""
        for kind, planner in self.planners.items():
            planner.fits(at, duration, amounts.get(kind, 0))

    def add(self, at: int, duration: int, amounts: dict[str, int]) -> int:
        """Book all or none."""
        self.fits(at, duration, amounts)
        self._next_span += 1
        self.spans[self._next_span] = {
            kind: planner.add(at, duration, amounts.get(kind, 0)) for kind, planner in self.planners.items()
        }
        return self._next_span

    def remove(self, span: int) -> None:
        """Undo a booking."""
        for kind, part in self.spans.pop(span).items():
            self.planners[kind].remove(part)

    def reduce(self, span: int, amounts: dict[str, int]) -> bool:
        """Take amounts off a booking; True if nothing is left of it, then it is gone."""
        left = [self.planners[kind].reduce(part, amounts.get(kind, 0)) for kind, part in self.spans[span].items()]
        if any(left):
            return False
        self.remove(span)
        return True

    def booked(self, span: int) -> dict[str, int]:
        """What a booking has of each type."""
        return {kind: self.planners[kind].spans[part][2] for kind, part in self.spans[span].items()}

    def times_after(self, now: int) -> list[int]:
        """The scheduled points after `now`."""
        first = next(iter(self.planners.values()))
        return [time for time in first.times if time > now]

    def resize(self, totals: dict[str, int]) -> None:
        """New totals; a type that was not counted before has never been booked."""
        for kind, total in totals.items():
            if kind in self.planners:
                self.planners[kind].resize(total)
                continue
            planner = self.planners[kind] = Planner(total)
            for parts in self.spans.values():
                start, end, _ = next((self.planners[other].spans[part] for other, part in parts.items()))
                parts[kind] = planner.add(start, end - start, 0)
