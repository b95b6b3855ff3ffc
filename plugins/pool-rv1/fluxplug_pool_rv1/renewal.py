"""Renewal of promises: who could move earlier now, found without asking everybody.

A promise that could not move when it was last looked at can move only into a stretch of time in which something was freed since: an
opening. As much as its amount must be free at some time of an opening. So a round looks at the promises of small enough amounts, in the order of the
queue, and searches no further than the openings reach. A promise that moves opens what it leaves: at once for those behind it in the queue,
and in the next round for those before it.

Promises that are not an amount of one line (several classes, parts of nodes, GPUs) are all looked at in every round.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug_pool_rv1.plan import Plan
    from fluxplug_pool_rv1.promise import Promise

FEW = 8
"""So many promises are all looked at: finding out who could be left out costs more."""

MANY = 256
"""So many promises are picked by amount with a look at each; of more, groups by amount."""

MAX_OPENINGS = 64
"""More openings than this are taken as one, from the first to the last."""

Shown = tuple[list[int], list[float], list[float]]
"""Of one line: amounts, ascending; for each how long a stretch of it lasts at most, and up to what start of a promise that is known"""

Waiting = list[tuple[Any, int, "Promise"]]
"""(place in the queue, jobid, promise)"""


class Renewal:
    """The openings of a plan, and its promises by amount."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.openings: list[tuple[int, float, float, float]] = []
        self._sequence = 0
        self._seen: dict[str, int] = {}
        # Groups stay when they are empty: amounts recur.
        self._by_amount: SortedDict[int, dict[int, Promise]] = SortedDict()
        self._others: dict[int, Promise] = {}
        self._renamed = 0

    def index(self, jobid: int, promise: Promise, sign: int) -> None:
        """A promise was made (1) or taken back (-1)."""
        if promise.line is None:
            group = self._others
            self._sequence += 1
            self._renamed = self._sequence
        elif promise.amount in self._by_amount:
            group = self._by_amount[promise.amount]
        else:
            group = self._by_amount[promise.amount] = {}
        if sign > 0:
            group[jobid] = promise
        else:
            del group[jobid]

    def open(self, start: float, end: float, most: float = math.inf) -> None:
        """More is free from `start` until `end` than before; no more than `most`, where that is known."""
        if not self.plan.promises:
            return
        self._sequence += 1
        self.openings.append((self._sequence, start, end, most))
        if len(self.openings) > MAX_OPENINGS:
            _, starts, ends, mosts = zip(*self.openings, strict=True)
            self.openings = [(self._sequence, min(starts), max(ends), max(mosts))]

    def run(self, queue: str, promised: Mapping[int, Any], demand_of: Any, now: float) -> list[tuple[int, float]]:
        """One round for one queue; `promised` maps its jobs to their places. Returns (jobid, start) of those that moved.

        What one search has shown, how long the longest stretch is, holds for every later promise of as much or more: one that lasts longer
        cannot move, unless it can slide forward from where it is. A search that came to its promise's start before it came to the end of
        the openings has shown this for the time before that start: the next search goes on from there. A promise that moves only
        opens what lies after its old start, and after its new end.
        """
        plan = self.plan
        if plan.now != now:
            for each in plan.every_line():
                each.advance(now)
        seen = self._seen.get(queue)
        self._seen[queue] = self._sequence
        if len(promised) == 1:
            self._forget()
            return self._alone(next(iter(promised)), demand_of, now)
        everybody = seen is None or len(promised) <= FEW
        until, level = math.inf, -1
        # Names that are given or taken back change the lines without an opening.
        by_openings = seen is not None and not self._others and self._renamed <= seen
        if seen is None or everybody:
            promises = plan.promises
            waiting = [(place, jobid, promises[jobid]) for jobid, place in promised.items() if jobid in promises]
        else:
            until, level = self._reach(seen, now)
            waiting = self._between(-1, level, promised)
            waiting += [
                (promised[jobid], jobid, promise) for jobid, promise in self._others.items() if jobid in promised
            ]
        self._forget()
        if len(waiting) > 1:
            waiting.sort()
        shown: dict[int, Shown] = {}
        nothing: Shown = ([], [], [])
        amounts, lengths, before = nothing
        current = None
        moved = []
        for place, jobid, promise in waiting:  # grows behind the current one
            old, end = promise.start, promise.end
            if old <= now:
                continue
            line, amount = promise.line, promise.amount
            if line is None:
                start = plan.renew_one(jobid, promise, demand_of(promise.request), now)
            else:
                if line is not current:
                    current = line
                    amounts, lengths, before = shown.setdefault(promise.mark[0], ([], [], []))
                at = bisect_right(amounts, amount)
                if at and end - old > lengths[at - 1]:
                    if old <= before[at - 1]:
                        # It could not slide when it was last looked at, and behind the openings nothing has changed.
                        if (by_openings and old > until) or line.free_before(old) < amount:
                            continue
                        start, longest = line.earlier(amount, end - old, old, until)
                    else:
                        known = (before[at - 1], lengths[at - 1])
                        start, longest = line.earlier(amount, end - old, old, until, known)
                else:
                    start, longest = line.earlier(amount, end - old, old, until)
                if start is None:
                    reach = old if old < until else math.inf
                    if at and amounts[at - 1] == amount:
                        lengths[at - 1], before[at - 1] = longest, reach
                    else:
                        amounts.insert(at, amount)
                        lengths.insert(at, longest)
                        before.insert(at, reach)
                    continue
                plan.shift(promise, start)
            if start is None:
                continue
            moved.append((jobid, start))
            opened = max(old, start + (end - old))
            here = -1 if everybody else self._most(opened, end)
            self.open(opened, end, math.inf if everybody else here)
            if end > until:
                until = end
            for _, _, before in shown.values():
                before[:] = [time if time < opened else opened for time in before]  # noqa: FURB136 - hot
            if here > level:
                for behind in self._between(level, here, promised):
                    if behind[0] > place:
                        insort(waiting, behind)
                level = here
        return moved

    def _alone(self, jobid: int, demand_of: Any, now: float) -> list[tuple[int, float]]:
        """A round for the only promise of a queue."""
        plan = self.plan
        promise = plan.promises.get(jobid)
        if promise is None or promise.start <= now:
            return []
        old, end, line = promise.start, promise.end, promise.line
        if line is None:
            start = plan.renew_one(jobid, promise, demand_of(promise.request), now)
        elif len(plan.promises) == 1 and line.free_before(old) < promise.amount:
            return []  # without promises a line only rises
        else:
            start, _ = line.earlier(promise.amount, end - old, old)
            if start is not None:
                plan.shift(promise, start)
        if start is None:
            return []
        self.open(max(old, start + (end - old)), end)
        return [(jobid, start)]

    def _forget(self) -> None:
        """Drop the openings that every queue has seen."""
        if len(self._seen) == 1:
            self.openings.clear()
        elif self.openings:
            last = min(self._seen.values())
            self.openings = [opening for opening in self.openings if opening[0] > last]

    def _reach(self, seen: int, now: float) -> tuple[float, int]:
        """How far the openings after the one numbered `seen` reach, and the most that is free in one."""
        until, level = now, -1
        mixed = bool(self._others) or self._renamed > seen
        for number, start, end, most in reversed(self.openings):
            if number > seen and end > now:
                if end > until:
                    until = end
                if most > level or mixed:  # others have taken from it since
                    level = max(level, self._most(max(start, now), end))
        return until, level

    def _most(self, start: float, end: float) -> int:
        plan = self.plan
        if plan.single:
            return plan.lines[0].most(start, end)
        return max(line.most(start, end) for line in plan.every_line())

    def _between(self, low: int, high: int, promised: Mapping[int, Any]) -> Waiting:
        """The promises to `promised` jobs of amounts over `low` and up to `high`: by a look at all, or O(promises of these amounts)."""
        if len(promised) <= MANY:
            promises = self.plan.promises
            return [
                (place, jobid, promise)
                for jobid, place in promised.items()  # these are in the order of the queue but for a few
                if (promise := promises.get(jobid)) and low < promise.amount <= high and promise.line is not None
            ]
        found: Waiting = []
        for amount in self._by_amount.irange(low, high, inclusive=(False, True)):
            group = self._by_amount[amount]
            if group:
                found += [(promised[jobid], jobid, promise) for jobid, promise in group.items() if jobid in promised]
        return found
