"""How much of one interchangeable amount is free, from now on: a step function, the core of a pool's plan.

The steps lie in blocks of a few hundred, each two plain lists: a plan is mostly short, one block, and every operation a scan or a slice of a few
steps that `bisect` finds. A plan for a long queue has many blocks, and whole blocks are passed over by the most and the least that is free in
them. Not here: which nodes the amount stands for (a pool's plan knows), and who holds it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
"""Steps of a block when it is made; at twice as many it is halved."""


class _Block:
    """Consecutive steps: `free[i]` from `times[i]` on. `most` and `least` are of `free`; None where they must be looked up again.

    A block that is alone never looks them up.
    """

    __slots__ = ("free", "least", "most", "times")

    def __init__(self, times: list[float], free: list[int]) -> None:
        self.times = times
        self.free = free
        self.most: int | None = None
        self.least: int | None = None

    def highest(self) -> int:
        """The most that is free in it."""
        if self.most is None:
            self.most = max(self.free)
        return self.most

    def lowest(self) -> int:
        """The least that is free in it."""
        if self.least is None:
            self.least = min(self.free)
        return self.least


class Timeline:
    """Amounts that are free from `now` on, for ever at last.

    Neighbouring steps differ. Amounts may be negative where more is promised than there is, after capacity was lost. Costs are stated in
    steps looked at; of a long timeline a block counts as one where it can be passed over.
    """

    __slots__ = ("_blocks", "_starts")

    def __init__(self, free: int, now: float = -math.inf) -> None:
        self._blocks = [_Block([now], [free])]
        self._starts = [now]

    @property
    def now(self) -> float:
        """The beginning."""
        return self._starts[0]

    @property
    def free_now(self) -> int:
        """What is free at the beginning."""
        return self._blocks[0].free[0]

    def steps(self) -> Iterator[tuple[float, int]]:
        """(time, what is free from then on), ascending."""
        for block in self._blocks:
            yield from zip(block.times, block.free, strict=True)

    def copy(self) -> Timeline:
        """An independent timeline. O(steps)."""
        new = Timeline.__new__(Timeline)
        new._blocks = [_Block(block.times.copy(), block.free.copy()) for block in self._blocks]  # noqa: SLF001
        new._starts = self._starts.copy()  # noqa: SLF001
        return new

    def advance(self, now: float) -> None:
        """Forget the past. O(steps dropped)."""
        starts = self._starts
        if starts[0] >= now:
            return
        gone = bisect_right(starts, now) - 1 if len(starts) > 1 else 0
        if gone:  # the block that is first now, and perhaps alone, forgets its extremes below
            del starts[:gone], self._blocks[:gone]
        block = self._blocks[0]
        times = block.times
        if len(times) > 1 and times[1] <= now:
            past = bisect_right(times, now) - 1
            del times[:past], block.free[:past]
        block.most = block.least = None
        times[0] = starts[0] = now

    def take(self, start: float, end: float, amount: int) -> None:
        """Take `amount` (give it back where negative) from `start` until `end`, which may be infinite. O(steps within)."""
        if amount == 0 or start >= end:
            return
        if len(self._starts) > 1:
            self._take_across(start, end, amount)
            return
        block = self._blocks[0]
        times, free = block.times, block.free
        if start <= times[0]:
            first = 0
        else:
            first = bisect_left(times, start)
            if first == len(times) or times[first] != start:
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
        if len(times) > 2 * BLOCK:
            self._split(0)

    def _take_across(self, start: float, end: float, amount: int) -> None:
        """`take` where there are several blocks."""
        first, i = self._step(start)
        last, j = (len(self._blocks) - 1, len(self._blocks[-1].times)) if end == math.inf else self._step(end)
        if end != math.inf:
            first, i = self._step(start)  # the step for the end may have split the block
        blocks = self._blocks
        for number in range(first, last + 1):
            block = blocks[number]
            low, high = i if number == first else 0, j if number == last else len(block.free)
            if high - low == len(block.free):
                block.free = [f - amount for f in block.free]
                block.most = None if block.most is None else block.most - amount
                block.least = None if block.least is None else block.least - amount
            elif high > low:
                block.free[low:high] = [f - amount for f in block.free[low:high]]
                block.most = block.least = None
        if end != math.inf:
            self._merge(last, j)
        self._merge(first, i)

    def _step(self, time: float) -> tuple[int, int]:
        """The place (block, step) of the step that begins at `time`, made where there is none; the first where time is before it."""
        number = max(bisect_right(self._starts, time) - 1, 0)
        block = self._blocks[number]
        i = bisect_left(block.times, time)
        if i and (i == len(block.times) or block.times[i] != time):
            block.times.insert(i, time)
            block.free.insert(i, block.free[i - 1])
            if len(block.times) > 2 * BLOCK:
                self._split(number)
                return self._step(time)
        return number, i

    def _split(self, number: int) -> None:
        block = self._blocks[number]
        half = len(block.times) // 2
        self._blocks.insert(number + 1, _Block(block.times[half:], block.free[half:]))
        self._starts.insert(number + 1, block.times[half])
        del block.times[half:], block.free[half:]
        block.most = block.least = None

    def _merge(self, number: int, i: int) -> None:
        """Drop a step that does not differ from the one before it, and its block if it was the only one."""
        block = self._blocks[number]
        if i == len(block.times) or (number == 0 and i == 0):
            return
        before = block.free[i - 1] if i else self._blocks[number - 1].free[-1]
        if block.free[i] != before:
            return
        del block.times[i], block.free[i]
        if not block.times:
            del self._blocks[number], self._starts[number]
            if len(self._starts) == 1:
                self._blocks[0].most = self._blocks[0].least = None
        elif i == 0:
            self._starts[number] = block.times[0]
            block.most = block.least = None

    def least(self, start: float, end: float) -> int:
        """The least that is free at any time in [start, end). O(steps within)."""
        if len(self._starts) == 1:
            return min(self._lone_piece(start, end))
        return min(min(piece) for piece in self._pieces(start, end))

    def most(self, start: float, end: float) -> int:
        """The most that is free at any time in [start, end). O(steps within)."""
        if len(self._starts) == 1:
            return max(self._lone_piece(start, end))
        return max(max(piece) for piece in self._pieces(start, end))

    def _lone_piece(self, start: float, end: float) -> list[int]:
        """The amounts at the times in [start, end), where there is one block."""
        block = self._blocks[0]
        times = block.times
        first = bisect_right(times, start) - 1
        if first < 0:
            first = 0
        last = bisect_left(times, end, first)
        return block.free[first : last if last > first else first + 1]

    def _pieces(self, start: float, end: float) -> Iterator[list[int]]:
        """The amounts at the times in [start, end), by block; for blocks that lie within, their extremes."""
        starts = self._starts
        number = max(bisect_right(starts, start) - 1, 0)
        while True:
            block = self._blocks[number]
            first = max(bisect_right(block.times, start) - 1, 0)
            number += 1
            if number == len(starts) or starts[number] >= end:
                yield block.free[first : max(bisect_left(block.times, end, first), first + 1)]
                return
            yield block.free[first:] if first else [block.highest(), block.lowest()]

    def at(self, time: float) -> int:
        """What is free at `time`."""
        block = self._blocks[max(bisect_right(self._starts, time) - 1, 0)]
        return block.free[max(bisect_right(block.times, time) - 1, 0)]

    def free_before(self, time: float) -> int:
        """What is free just before `time`."""
        block = self._blocks[max(bisect_left(self._starts, time) - 1, 0)]
        return block.free[max(bisect_left(block.times, time) - 1, 0)]

    def earliest(self, amount: int, duration: float, after: float) -> float | None:
        """The first time from `after` on at which `amount` is free for `duration` seconds. O(steps until then).

        None if it never is. This is the first-fit search of backfill planning (Mu'alem and Feitelson, IEEE TPDS 2001).
        """
        number = max(bisect_right(self._starts, after) - 1, 0)
        first = max(bisect_right(self._blocks[number].times, after) - 1, 0)
        run: float | None = None
        several = len(self._starts) > 1
        for block in self._blocks[number:] if several else self._blocks:
            times, free = block.times, block.free
            if several and not first:
                if run is not None and times[0] - run >= duration:
                    return run
                if block.highest() < amount:
                    run = None
                    continue
                if block.lowest() >= amount:
                    run = max(times[0], after) if run is None else run
                    continue
            i, count = first, len(times)
            first = 0
            while True:
                if run is None:
                    while i < count and free[i] < amount:
                        i += 1
                    if i == count:
                        break
                    run = max(times[i], after)
                    i += 1
                end = run + duration
                while i < count and times[i] < end and free[i] >= amount:
                    i += 1
                if i == count:
                    break
                if times[i] >= end:
                    return run
                run = None
        return run

    def earlier(
        self,
        amount: int,
        duration: float,
        start: float,
        until: float = math.inf,
        known: tuple[float, float] = (-math.inf, 0.0),
    ) -> tuple[float | None, float]:
        """To where a promise of `amount` from `start` on could move forward, its own hole counted as free; None if nowhere.

        The answer begins the first stretch with `amount` free that lasts for `duration` or reaches `start`, among those that begin
        before `until`. With it comes how long those last at most that were passed over. A caller who has `known` (time, seconds), that those
        that end before that time last for so long at most, and too short, spares the search there. Nothing is changed, so that the many
        promises that cannot move cost one scan each. O(steps from the known time to the end of the last stretch that is looked at).
        """
        since, longest = known
        last = min(until, start)
        run: float | None = None
        blocks, first = self._blocks, 0
        several = len(blocks) > 1
        if since > self._starts[0]:
            if several:
                number, first, run = self._before(since, amount)
                blocks = blocks[number:]
            else:
                times, free = blocks[0].times, blocks[0].free
                first = i = bisect_left(times, since)
                while i and free[i - 1] >= amount:
                    i -= 1
                    run = times[i]
            if run is not None and run >= until:
                return None, longest
        for block in blocks:
            times, free = block.times, block.free
            if several:
                if run is None and times[0] >= until:
                    return None, longest
                if times[-1] < start and block.highest() < amount:
                    if run is not None:
                        if times[0] - run >= duration:
                            return run, longest
                        longest = max(longest, times[0] - run)
                        run = None
                    first = 0
                    continue
            for time, left in zip(times[first:], free[first:]) if first else zip(times, free):  # noqa: B905 - of one length, hot
                if run is None:
                    if time >= last:
                        return None, longest
                    if left >= amount:
                        run = time
                else:
                    length = time - run
                    if length >= duration or time >= start:
                        return run, longest
                    if left < amount:
                        run = None
                        if length > longest:
                            longest = length
            first = 0
        return run, longest

    def _before(self, time: float, amount: int) -> tuple[int, int, float | None]:
        """The place (block, step) behind the last step before `time`, and since when `amount` is free there; None if it is not."""
        number = max(bisect_left(self._starts, time) - 1, 0)
        block = self._blocks[number]
        first = i = bisect_left(block.times, time)
        run: float | None = None
        behind = number
        while i or behind:
            if not i:
                behind -= 1
                block = self._blocks[behind]
                i = len(block.times)
            i -= 1
            if block.free[i] < amount:
                break
            run = block.times[i]
        return number, first, run

    def room(self, amount: int, at: float) -> float:
        """For how many seconds `amount` is free from `at` on; -1 if it is not free then. O(steps until it is short)."""
        if self.at(at) < amount:
            return -1
        number = max(bisect_right(self._starts, at) - 1, 0)
        first = bisect_right(self._blocks[number].times, at)
        several = len(self._starts) > 1
        for block in self._blocks[number:]:
            if first or not several or block.lowest() < amount:
                free = block.free
                for i in range(first, len(free)):
                    if free[i] < amount:
                        return block.times[i] - at
            first = 0
        return math.inf

    def check(self) -> None:
        """Raise AssertionError where the form is broken: lengths, order, equal neighbours, what blocks say of themselves."""
        steps = list(self.steps())
        assert steps
        assert all(a[0] < b[0] for a, b in pairwise(steps)), steps
        assert all(a[1] != b[1] for a, b in pairwise(steps)), steps
        assert self._starts == [block.times[0] for block in self._blocks]
        for block in self._blocks:
            assert len(block.times) == len(block.free) <= 2 * BLOCK
            assert block.most in {None, max(block.free)}
            assert block.least in {None, min(block.free)}
