"""Planning for parts of nodes on a machine of many nodes: which nodes could serve a demand during a window, by name.

The present is walked forward through the planned ends: at each candidate time the free amounts of every node are known, and a window from
there is tried only when these suffice. The cost is the pieces held plus, for each candidate that gets so far, the nodes that are shared.
Called by `plan` alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fluxplug.resource.bits import lowest, members

if TYPE_CHECKING:
    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.plan import Named, Plan

Amounts = dict[int, tuple[int, int]]
"""index -> (cores, GPUs), as counts."""


class _Future:
    """What is free at one time, walked forward: nodes with everything free as a mask, the others by amounts."""

    def __init__(self, plan: Plan, demand: Demand) -> None:
        ledger = plan.ledger
        self.plan = plan
        self.demand = demand
        self.scope = plan.usable if demand.match is None else plan.usable & demand.match
        self.idle = ledger.idle & self.scope & ~plan.tracked_mask
        self.some: Amounts = {}
        for i in members(plan.tracked_mask & self.scope):
            cores, gpus = ledger.free_on(i)
            self.some[i] = (cores.bit_count(), gpus.bit_count())
        self.units = sum(self.worth(*amounts) for amounts in self.some.values())

    def worth(self, cores: int, gpus: int) -> int:
        """How many units of the demand (nodes, or slots) fit into free amounts on one node that is shared."""
        demand = self.demand
        if demand.exclusive:
            return 0
        fit = cores // demand.cores if demand.cores else 0
        if demand.gpus:
            fit = min(fit, gpus // demand.gpus)
        return min(fit, 1) if demand.nodes else fit

    def worth_idle(self, i: int) -> int:
        """The same of a node that is all free."""
        cores, gpus = self.plan.machine.full[i]
        if self.demand.exclusive:
            return int(cores.bit_count() >= self.demand.cores and gpus.bit_count() >= self.demand.gpus)
        return self.worth(cores.bit_count(), gpus.bit_count())

    def idle_units(self, most: dict[int, int] | None = None) -> int:
        """Units on idle nodes, of each class at most so many nodes."""
        units = 0
        for number, ranks in enumerate(self.plan.classes):
            count = (self.idle & ranks).bit_count()
            if count:
                if most is not None:
                    count = min(count, most[number])
                units += count * self.worth_idle(ranks.bit_length() - 1)
        return units

    def end(self, jobid: int) -> None:
        """A holder ends as planned."""
        plan = self.plan
        for mask, cores, gpus, _ in plan.held[jobid][0]:
            self.idle |= mask & self.scope & ~plan.tracked_mask
            add, add_gpus = cores.bit_count(), gpus.bit_count()
            for i in members(mask & self.scope & plan.tracked_mask):
                have, have_gpus = self.some[i]
                self.units -= self.worth(have, have_gpus)
                self.some[i] = (have + add, have_gpus + add_gpus)
                self.units += self.worth(*self.some[i])

    def window(self, start: float, end: float) -> tuple[dict[int, int] | None, Amounts, int]:
        """What a demand may use from `start` until `end` beside the promises: idle nodes by class, amounts on others, units in all."""
        plan = self.plan
        usable = named_amounts(plan, self.some, start, end)
        useful = {i: worth for i, amounts in usable.items() if (worth := self.worth_shared(i, amounts))}
        most = _spend(plan, usable, useful, start, end) if plan.counting else None
        return most, usable, sum(useful.values()) + self.idle_units(most)

    def worth_shared(self, i: int, amounts: tuple[int, int]) -> int:
        """How many units fit into what may be used of a node that is kept by name."""
        if self.demand.exclusive:
            return self.worth_idle(i) if amounts == _full(self.plan, i) else 0
        return self.worth(*amounts)

    def choose(self, most: dict[int, int] | None, usable: Amounts) -> Named:
        """The nodes for the demand's least, most free first, then the lowest; on each the units that fit."""
        plan, demand = self.plan, self.demand
        offers: list[tuple[int, int, int, int]] = []
        for number, ranks in enumerate(plan.classes):
            idle = self.idle & ranks
            if most is not None and most[number] < idle.bit_count():
                idle = lowest(idle, max(most[number], 0))
            if idle:
                full = _full(plan, ranks.bit_length() - 1)
                worth = self.worth_idle(ranks.bit_length() - 1)
                offers.extend(
                    (-full[0], -full[1], i, worth) for i in members(lowest(idle, min(idle.bit_count(), demand.least)))
                )
        for i, (cores, gpus) in usable.items():
            worth = self.worth_shared(i, (cores, gpus))
            if worth:
                offers.append((-cores, -gpus, i, worth))
        left = demand.least
        named: Named = []
        for _, _, i, worth in sorted(offers):
            units = min(worth, left)
            if units:
                cores, gpus = _full(plan, i) if demand.exclusive else (units * demand.cores, units * demand.gpus)
                named.append((i, cores, gpus))
                left -= units
            if not left:
                break
        return named


def earliest(plan: Plan, demand: Demand, duration: float, after: float) -> tuple[float, Named] | None:
    """The first time from `after` on at which a demand fits, and the nodes it would have then; None if never."""
    future = _Future(plan, demand)
    ends = sorted((end, jobid) for jobid, (_, end) in plan.held.items() if end < math.inf)
    times = {end for end, _ in ends if end > after}
    times.update(promise.end for promise in plan.promises.values() if after < promise.end < math.inf)
    done = 0
    for time in sorted({after, *times}):
        while done < len(ends) and ends[done][0] <= time:
            future.end(ends[done][1])
            done += 1
        if not demand.exclusive and future.units + future.idle_units() < demand.least:
            continue
        most, usable, units = future.window(time, time + duration)
        if units >= demand.least:
            return time, future.choose(most, usable)
    return None


def enough_free(plan: Plan, demand: Demand) -> bool:
    """Whether what is free now would do, promises aside."""
    future = _Future(plan, demand)
    if demand.exclusive:
        idle = plan.ledger.idle & future.scope
        return (
            sum(future.worth_idle(i) for i in members(lowest(idle, min(idle.bit_count(), demand.least))))
            >= demand.least
        )
    return future.units + future.idle_units() >= demand.least


def limits(plan: Plan, demand: Demand, now: float, end: float) -> tuple[int, dict[int, tuple[int, int]]] | None:
    """What a job that starts now may use: eligible ranks, and caps where less than what is free; None if that is too little."""
    future = _Future(plan, demand)
    most, usable, units = future.window(now, end)
    if units < demand.least:
        return None
    eligible = 0
    for number, ranks in enumerate(plan.classes):
        idle = future.idle & ranks
        eligible |= idle if most is None else lowest(idle, max(min(most[number], idle.bit_count()), 0))
    caps = {}
    for i, amounts in usable.items():
        if amounts != (0, 0):
            eligible |= 1 << i
            if amounts != future.some[i]:
                caps[i] = amounts
    return eligible, caps


def named_amounts(plan: Plan, some: Amounts, start: float, end: float) -> Amounts:
    """What of the free amounts on tracked nodes no promise names during the window."""
    usable = dict(some)
    if not plan.naming:
        return usable
    overlapping: dict[int, list[tuple[float, float, int, int]]] = {}
    for promise in plan.promises.values():
        if promise.start < end and promise.end > start:
            for i, cores, gpus in promise.named:
                overlapping.setdefault(i, []).append((max(promise.start, start), promise.end, cores, gpus))
    for i, pieces in overlapping.items():
        if i not in usable:
            continue
        # The amounts fall where a promise begins, and nowhere else: holders that end meanwhile only add.
        least, least_gpus = usable[i]
        returns = [
            (over, *_amounts_on(plan, key, i)) for key, over in plan.tracked[i].items() if key >= 0 and over > start
        ]
        for time in sorted({piece[0] for piece in pieces}):
            cores, gpus = some[i]
            for over, back, back_gpus in returns:
                if over <= time:
                    cores, gpus = cores + back, gpus + back_gpus
            for begin, over, gone, gone_gpus in pieces:
                if begin <= time < over:
                    cores, gpus = cores - gone, gpus - gone_gpus
            least, least_gpus = min(least, cores), min(least_gpus, gpus)
        usable[i] = (max(least, 0), max(least_gpus, 0))
    return usable


def _amounts_on(plan: Plan, jobid: int, i: int) -> tuple[int, int]:
    """How many cores and GPUs a job holds on one node."""
    cores = gpus = 0
    for mask, held, held_gpus, _ in plan.held[jobid][0]:
        if mask >> i & 1:
            cores, gpus = cores + held.bit_count(), gpus + held_gpus.bit_count()
    return cores, gpus


def _spend(plan: Plan, usable: Amounts, useful: dict[int, int], start: float, end: float) -> dict[int, int]:
    """How many idle nodes of each class may be used during the window, and which shared ones may be held longer than they are.

    Promises of whole nodes count on every node from the end of its last holder on. Holding a node beyond that spends one from its line; the
    nodes that are held longest already spend least and go first, and those that are of no use to the demand spend nothing. Those that
    may not be used are removed from `usable` and `useful`.
    """
    spent = [line.copy() for line in plan.lines]
    class_of = plan.class_of
    for free_at, i in sorted(
        ((max(plan.tracked[i].values()), i) for i in useful), key=lambda item: (-item[0], item[1])
    ):
        if end <= free_at:
            continue
        line = spent[class_of[i]]
        since = max(free_at, start)
        if line.least(since, end) >= 1:
            line.take(since, end, 1)
        else:
            usable[i] = (0, 0)
            del useful[i]
    return {number: max(line.least(start, end), 0) for number, line in enumerate(spent)}


def _full(plan: Plan, i: int) -> tuple[int, int]:
    cores, gpus = plan.machine.full[i]
    return cores.bit_count(), gpus.bit_count()
