"""How much of one interchangeable amount is free, from now on: a step function, the core of a pool's plan.

The steps are two plain lists, because plans are short (some hundred steps) and every operation is a scan or a slice of a few of
them; `bisect` finds the place. Not here: which nodes the amount stands for (a pool's plan knows), and who holds it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise


class Timeline:
    """`free[i]` units are free from `times[i]` until `times[i + 1]`, the last of them for ever.

    Neighbouring steps differ. Amounts may be negative where more is promised than there is, after capacity was lost.
    """

    __slots__ = ("free", "times")

    def __init__(self, free: int, now: float = -math.inf) -> None:
        self.times: list[float] = [now]
        self.free: list[int] = [free]

    def copy(self) -> Timeline:
        """An independent timeline. O(steps)."""
        new = Timeline.__new__(Timeline)
        new.times, new.free = self.times.copy(), self.free.copy()
        return new

    def advance(self, now: float) -> None:
        """Forget the past. O(steps dropped)."""
        times = self.times
        gone = bisect_right(times, now) - 1
        if gone > 0:
            del times[:gone], self.free[:gone]
        if times[0] < now:
            times[0] = now

    def take(self, start: float, end: float, amount: int) -> None:
        """Take `amount` (give it back where negative) from `start` until `end`, which may be infinite. O(steps within)."""
        if amount == 0 or start >= end:
            return
        times, free = self.times, self.free
        first = bisect_left(times, start)
        if first and (first == len(times) or times[first] != start):
            times.insert(first, start)
            free.insert(first, free[first - 1])
        if end == math.inf:
            last = len(times)
        else:
            last = bisect_left(times, end, first)
            if last == len(times) or times[last] != end:
                times.insert(last, end)
                free.insert(last, free[last - 1])
        if last - first == 1:
            free[first] -= amount
        else:
            free[first:last] = [f - amount for f in free[first:last]]
        if last < len(times) and free[last] == free[last - 1]:
            del times[last], free[last]
        if first and free[first] == free[first - 1]:
            del times[first], free[first]

    def least(self, start: float, end: float) -> int:
        """The least that is free at any time in [start, end). O(steps within)."""
        times = self.times
        first = max(bisect_right(times, start) - 1, 0)
        return min(self.free[first : max(bisect_left(times, end, first), first + 1)])

    def most(self, start: float, end: float) -> int:
        """The most that is free at any time in [start, end). O(steps within)."""
        times = self.times
        first = max(bisect_right(times, start) - 1, 0)
        return max(self.free[first : max(bisect_left(times, end, first), first + 1)])

    def earliest(self, amount: int, duration: float, after: float) -> float | None:
        """The first time from `after` on at which `amount` is free for `duration` seconds. O(steps until then).

        None if it never is. This is the first-fit search of backfill planning (Mu'alem and Feitelson, IEEE TPDS 2001).
        """
        times, free = self.times, self.free
        i = max(bisect_right(times, after) - 1, 0)
        count = len(times)
        start = after
        while True:
            while free[i] < amount:
                i += 1
                if i == count:
                    return None
                start = times[i]
            end = start + duration
            i += 1
            while i < count and times[i] < end:
                if free[i] < amount:
                    break
                i += 1
            else:
                return start

    def earlier(self, amount: int, duration: float, start: float, until: float = math.inf) -> float | None:
        """To where a promise of `amount` from `start` on could move forward, its own hole counted as free; None if nowhere.

        The answer begins the first stretch with `amount` free that lasts for `duration` or reaches `start`, among those that begin
        before `until`. Nothing is changed, so that the many promises that cannot move cost one scan each. O(steps before the end of
        the last stretch that is looked at).
        """
        run: float | None = None
        for time, free in zip(self.times, self.free):  # noqa: B905 - two lists of one length, in the hottest loop
            if run is not None:
                if time - run >= duration:
                    return run
            elif time >= until:
                return None
            if time >= start:
                return run
            if free < amount:
                run = None
            elif run is None:
                run = time
        return run

    def at(self, time: float) -> int:
        """What is free at `time`."""
        return self.free[max(bisect_right(self.times, time) - 1, 0)]

    def free_before(self, time: float) -> int:
        """What is free just before `time`."""
        return self.free[max(bisect_left(self.times, time) - 1, 0)]

    def room(self, amount: int, at: float) -> float:
        """For how many seconds `amount` is free from `at` on; -1 if it is not free then. O(steps until it is short)."""
        times, free = self.times, self.free
        i = max(bisect_right(times, at) - 1, 0)
        if free[i] < amount:
            return -1
        for j in range(i + 1, len(times)):
            if free[j] < amount:
                return times[j] - at
        return math.inf

    def check(self) -> None:
        """Raise AssertionError where the form is broken: lengths, order, equal neighbours."""
        times, free = self.times, self.free
        assert len(times) == len(free) >= 1
        assert all(a < b for a, b in pairwise(times)), times
        assert all(a != b for a, b in pairwise(free)), free
