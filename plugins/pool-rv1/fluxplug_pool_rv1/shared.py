"""Planning for parts of nodes on a machine of many nodes: which nodes could serve a demand during a window, by name.

The present is walked forward through the planned ends: at each candidate time the free amounts of every node are known, and a window from
there is tried only when these suffice. The cost is the pieces held plus, for each candidate that gets so far, the nodes that are shared.
Called by `plan` alone.

Where whole nodes are promised by number (then only jobs that start now are looked at), a window must leave these promises what they count on:
a node that is used spends one from its class's line, from the end of its last holder to the end of the window. Spending has the form
of a matroid (the windows of one class are nested), so taking nodes by what they are worth finds the most units that there can be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from fluxplug.resource.bits import lowest, members

if TYPE_CHECKING:
    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.plan import Plan
    from fluxplug_pool_rv1.promise import Named

Amounts = dict[int, tuple[int, int]]
"""index -> (cores, GPUs), as counts."""


class _Window(NamedTuple):
    """What a demand may use during a window, all of it together: amounts on nodes that are shared, and nodes that are all free.

    `units` is what it is worth in all.
    """

    shared: Amounts
    idle: int
    units: int


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

    def idle_units(self) -> int:
        """Units on idle nodes."""
        units = 0
        for ranks in self.plan.classes:
            count = (self.idle & ranks).bit_count()
            if count:
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

    def window(self, start: float, end: float) -> _Window:
        """What a demand may use from `start` until `end` beside the promises."""
        plan = self.plan
        usable = named_amounts(plan, self.some, start, end)
        useful = {i: worth for i, amounts in usable.items() if (worth := self.worth_shared(i, amounts))}
        if not plan.counting:
            return _Window(usable, self.idle, sum(useful.values()) + self.idle_units())
        return self._beside_counted(usable, useful, start, end)

    def _beside_counted(self, usable: Amounts, useful: dict[int, int], start: float, end: float) -> _Window:
        """The same, where there are promises of whole nodes: what is worth most is taken first, as long as their lines allow it."""
        plan = self.plan
        offers: list[tuple[int, int, float, int, int]] = []  # (-worth, 0 shared or 1 idle, -free from, class, mask)
        all_free = self.idle
        for i, worth in useful.items():
            free_from, number = max(plan.tracked[i].values()), plan.class_of[i]
            if free_from <= start:
                all_free |= 1 << i
            else:
                offers.append((-worth, 0, -free_from, number, 1 << i))
        for number, ranks in enumerate(plan.classes):
            worth = self.worth_idle(ranks.bit_length() - 1) if all_free & ranks else 0
            if worth:
                offers.append((-worth, 1, -start, number, all_free & ranks))
        spent = [line.copy() for line in plan.lines]
        shared: Amounts = {}
        idle = units = 0
        for less, kind, since, number, mask in sorted(offers):
            found = mask.bit_count()
            if -since < end:
                found = min(found, max(spent[number].least(-since, end), 0))
                spent[number].take(-since, end, found)
            units -= less * found
            if found and not kind:
                shared[mask.bit_length() - 1] = usable[mask.bit_length() - 1]
            elif found:
                idle |= lowest(mask, found)
        return _Window(shared, idle, units)

    def worth_shared(self, i: int, amounts: tuple[int, int]) -> int:
        """How many units fit into what may be used of a node that is kept by name."""
        if self.demand.exclusive:
            return self.worth_idle(i) if amounts == _full(self.plan, i) else 0
        return self.worth(*amounts)

    def choose(self, window: _Window) -> Named:
        """What to promise for the demand's least, most free first, then the lowest; on each node the units that fit."""
        plan, demand = self.plan, self.demand
        offers: list[tuple[int, int, int, int]] = []  # (-cores, -GPUs, index, worth)
        for ranks in plan.classes:
            idle = window.idle & ranks
            if idle:
                cores, gpus = _full(plan, ranks.bit_length() - 1)
                worth = self.worth_idle(ranks.bit_length() - 1)
                first = members(lowest(idle, min(idle.bit_count(), demand.least)))
                offers += [(-cores, -gpus, i, worth) for i in first]
        for i, (cores, gpus) in window.shared.items():
            worth = self.worth_shared(i, (cores, gpus))
            if worth:
                offers.append((-cores, -gpus, i, worth))
        left = demand.least
        named: Named = []
        for _, _, i, worth in sorted(offers):
            units = min(worth, left)
            if units:
                left -= units
                amounts = _full(plan, i) if demand.exclusive else (units * demand.cores, units * demand.gpus)
                named.append((i, *amounts))
        return named


def earliest(plan: Plan, demand: Demand, duration: float, after: float) -> tuple[float, Named] | None:
    """The first time from `after` on at which a demand fits, and what it would be promised then; None if never.

    Asked while all promises name their nodes.
    """
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
        window = future.window(time, time + duration)
        if window.units >= demand.least:
            return time, future.choose(window)
    return None


def fits_now(plan: Plan, demand: Demand, duration: float) -> Named | None:
    """The parts of nodes that would serve a demand from now on, beside promises of any kind; None if it does not fit."""
    future = _Future(plan, demand)
    window = future.window(plan.now, plan.now + duration)
    if window.units < demand.least:
        return None
    return future.choose(window)


def enough_free(plan: Plan, demand: Demand) -> bool:
    """Whether what is free now would do, promises aside."""
    future = _Future(plan, demand)
    if demand.exclusive:
        idle = plan.ledger.idle & future.scope
        fit = sum(
            (idle & ranks).bit_count() * future.worth_idle(ranks.bit_length() - 1)
            for ranks in plan.classes
            if idle & ranks
        )
        return fit >= demand.least
    return future.units + future.idle_units() >= demand.least


def limits(plan: Plan, demand: Demand, now: float, end: float) -> tuple[int, dict[int, tuple[int, int]]] | None:
    """What a job that starts now may use: eligible ranks, and caps where less than what is free; None if that is too little."""
    future = _Future(plan, demand)
    window = future.window(now, end)
    if window.units < demand.least:
        return None
    eligible = window.idle
    caps = {}
    for i, amounts in window.shared.items():
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


def _full(plan: Plan, i: int) -> tuple[int, int]:
    cores, gpus = plan.machine.full[i]
    return cores.bit_count(), gpus.bit_count()
