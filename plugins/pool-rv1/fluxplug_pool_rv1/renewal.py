"""Renewal of promises: who could move earlier now, found without asking everybody.

A promise that could not move when it was last looked at can move only into a stretch of time in which something was freed since: an
opening. At its place more than its amount must be free at some time of an opening that begins before its start. So a round looks at the
promises of small enough amounts, in the order of the queue, and searches no further than the openings reach. A promise that moves opens what it
leaves: at once for those behind it in the queue, and in the next round for those before it.

Promises that are not an amount of one line (several classes, parts of nodes, GPUs) are all looked at in every round.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.resource.timeline import Timeline
    from fluxplug_pool_rv1.plan import Plan, Promise

FEW = 8
"""So many promises are all looked at: finding out who could be left out costs more."""

MAX_OPENINGS = 64
"""More openings than this are taken as one, from the first to the last."""


class Renewal:
    """The openings of a plan, and its promises by amount."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.openings: list[tuple[int, float, float]] = []
        self._sequence = 0
        self._seen: dict[str, int] = {}
        self._by_amount: dict[int, dict[int, None]] = {}
        self._others: dict[int, None] = {}

    def index(self, jobid: int, promise: Promise, sign: int) -> None:
        """A promise was made (1) or taken back (-1)."""
        amount = _amount(promise)
        if amount is None:
            group = self._others
        else:
            found = self._by_amount.get(amount)
            group = self._by_amount.setdefault(amount, {}) if found is None else found
        if sign > 0:
            group[jobid] = None
            return
        del group[jobid]
        if not group and amount is not None:
            del self._by_amount[amount]

    def open(self, start: float, end: float) -> None:
        """More is free from `start` until `end` than before."""
        if not self.plan.promises:
            return
        self._sequence += 1
        self.openings.append((self._sequence, start, end))
        if len(self.openings) > MAX_OPENINGS:
            whole = (self._sequence, min(o[1] for o in self.openings), max(o[2] for o in self.openings))
            self.openings = [whole]

    def run(self, queue: str, promised: Mapping[int, Any], demand_of: Any, now: float) -> list[tuple[int, float]]:
        """One round for one queue; `promised` maps its jobs to their places."""
        plan = self.plan
        for line in plan.lines:
            line.advance(now)
        if len(promised) <= FEW:
            self._seen[queue] = self._sequence
            return self._ask_all(promised, demand_of, now)
        round_ = _Round(self, promised, demand_of, now)
        round_.begin(self._fresh(queue, now))
        moved = []
        while round_.waiting:
            place, jobid = heappop(round_.waiting)
            promise = plan.promises.get(jobid)
            if promise is None or promise.start <= now:
                continue
            old, old_end = promise.start, promise.end
            start = round_.move(jobid, promise)
            if start is not None:
                moved.append((jobid, start))
                self.open(max(old, start + (old_end - old)), old_end)
                round_.widen(max(old, start + (old_end - old)), old_end, place)
        return moved

    def _ask_all(self, promised: Mapping[int, Any], demand_of: Any, now: float) -> list[tuple[int, float]]:
        """A round that looks at every promise."""
        plan = self.plan
        moved = []
        for jobid in sorted(promised, key=promised.__getitem__):
            promise = plan.promises.get(jobid)
            if promise is None or promise.start <= now:
                continue
            old, end, amount = promise.start, promise.end, _amount(promise)
            if amount is None:
                start = plan.renew_one(jobid, promise, demand_of(promise.request), now)
            else:
                start = _line(plan, promise).earlier(amount, end - old, old)
                if start is not None:
                    plan.shift(promise, start)
            if start is not None:
                moved.append((jobid, start))
                self.open(max(old, start + (end - old)), end)
        return moved

    def _fresh(self, queue: str, now: float) -> list[tuple[float, float]]:
        """The openings since the last round of this queue."""
        self.openings = [(n, max(start, now), end) for n, start, end in self.openings if end > now]
        seen = self._seen.get(queue, 0)
        self._seen[queue] = self._sequence
        return [(start, end) for n, start, end in self.openings if n > seen]


class _Round:
    """The promises that a round still has to look at, as a heap by place; and what it has found out."""

    def __init__(self, renewal: Renewal, promised: Mapping[int, Any], demand_of: Any, now: float) -> None:
        self.waiting: list[tuple[Any, int]] = []
        self._renewal = renewal
        self._promised = promised
        self._demand_of = demand_of
        self._now = now
        self._level = 0
        self._until = now
        self._barred: dict[tuple[int, int], tuple[float, float]] = {}

    def begin(self, openings: list[tuple[float, float]]) -> None:
        """Wait for everybody whom these openings could help."""
        promised = self._promised
        waiting = [(promised[jobid], jobid) for jobid in self._renewal._others if jobid in promised]  # noqa: SLF001
        for start, end in openings:
            self._until = max(self._until, end)
            self._level = max(self._level, self._most(start, end))
        for amount, jobs in self._renewal._by_amount.items():  # noqa: SLF001
            if amount <= self._level:
                waiting += [(promised[jobid], jobid) for jobid in jobs if jobid in promised]
        heapify(waiting)
        self.waiting = waiting

    def widen(self, start: float, end: float, place: Any) -> None:
        """Something has opened: wait also for those behind `place` whom only this could help."""
        self._until = max(self._until, end)
        for key, (duration, until) in self._barred.items():
            if until > start:
                self._barred[key] = (duration, start)
        level = self._most(start, end)
        if level <= self._level:
            return
        promised = self._promised
        for amount, jobs in self._renewal._by_amount.items():  # noqa: SLF001
            if self._level < amount <= level:
                for jobid in jobs:
                    if jobid in promised and promised[jobid] > place:
                        heappush(self.waiting, (promised[jobid], jobid))
        self._level = level

    def _most(self, start: float, end: float) -> int:
        plan = self._renewal.plan
        if plan.single:
            return plan.lines[0].most(start, end)
        return max(line.most(start, end) for line in plan.lines)

    def move(self, jobid: int, promise: Promise) -> float | None:
        """Move one promise to its earliest start; None if it stays.

        What one search has shown, that no stretch before some time is long enough, holds for every later promise of the same amount that
        lasts as long or longer and begins no later, unless it can slide forward from where it is.
        """
        plan = self._renewal.plan
        demand = self._demand_of(promise.request)
        amount = _amount(promise)
        if amount is None:
            return plan.renew_one(jobid, promise, demand, self._now)
        line = _line(plan, promise)
        old, duration = promise.start, promise.end - promise.start
        key = (id(line), amount)
        known = self._barred.get(key)
        if known is not None and duration >= known[0] and old <= known[1] and line.free_before(old) < amount:
            return None
        start = line.earlier(amount, duration, old, self._until)
        if start is None:
            self._barred[key] = (duration, old)
        else:
            plan.shift(promise, start)
        return start


def _amount(promise: Promise) -> int | None:
    """The amount of a promise on its one line; None if it is something else."""
    if promise.named or promise.gpus or len(promise.nodes) > 1:
        return None
    return promise.nodes[0][1] if promise.nodes else promise.cores


def _line(plan: Plan, promise: Promise) -> Timeline:
    return plan.lines[promise.nodes[0][0]] if promise.nodes else plan.lines[0]
