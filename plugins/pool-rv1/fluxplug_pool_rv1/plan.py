"""The plan of an Rv1 pool: what is promised to whom from when, and what of the machine stays free beside it.

    lines       how much is free over time, a `Timeline` a class of interchangeable nodes: the number of idle ones. A machine of
                one node has instead one of its cores and one of its GPUs
    total       the free cores of all nodes together, once somebody has asked for single cores anywhere
    tracked     index -> {holder: end} for nodes that are shared, or that a promise names; a node counts as idle in its line after
                the last of these ends
    promises    jobid -> Promise

A promise binds amounts, not names, where that is enough: cores of a single node; whole nodes of classes (nodes that have the same cores,
GPUs and properties), as long as all promises are of that kind (`counting`); single cores anywhere, as long as all are (`pooled`).
Once another kind is promised beside, all promises name their nodes, with counts of cores and GPUs (`naming`); `shared` finds
these. `naming` gives names to those that have none yet.

What is idle in a line only becomes more with time, promises aside: a node that is named for later is left out until that is over. So
when every line stays at zero or above, every promise of whole nodes can be kept (interval scheduling on interchangeable machines).

The pool tells the plan of every change; the plan answers for promises alone, and never places anything.
"""

from __future__ import annotations

import math
from copy import copy
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from fluxplug.resource.bits import members
from fluxplug.resource.timeline import Timeline
from fluxplug_pool_rv1 import naming, shared
from fluxplug_pool_rv1.promise import Named, Promise, Want
from fluxplug_pool_rv1.renewal import Renewal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fluxplug.resource.request import ResourceRequest, Shape
    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.ledger import Ledger
    from fluxplug_pool_rv1.machine import Machine, Part

OVERDUE = 1.0
"""Seconds for which a job that is overdue is planned on at least; else for as long again."""

FEW = 8
"""So many promises are looked at once for all demands; with more, each demand walks along the line until it is short."""

MAX_CLASSES = 64
"""More classes than this are merged by content alone; constraints on properties then name nodes."""


class Plan:
    """The plan over `ledger`'s machine; `usable` is the mask of the ranks that are up and not removed."""

    def __init__(self, machine: Machine, ledger: Ledger, usable: int, now: float) -> None:
        self.machine = machine
        self.ledger = ledger
        self.usable = usable
        self.single = len(machine.ranks) == 1
        self.promises: dict[int, Promise] = {}
        self.renewal = Renewal(self)
        self.held: dict[int, tuple[Sequence[Part], float]] = {}
        self.tracked: dict[int, dict[int, float]] = {}
        self.tracked_mask = 0
        self.naming = 0
        self.counting = 0
        self.pooled = 0
        self.of_units = self.of_nodes = self.of_parts = 0
        self.total: Timeline | None = None
        self.now = now
        self.version = 0
        self.ends: list[tuple[float, int]] = []
        self._overdue: dict[int, float] = {}
        self._bound: tuple[Demand, float, int, Named] | None = None
        self._wants: dict[Demand, Want] = {}
        self._by_shape: dict[Shape, Want] = {}
        self._class_of: list[int] | None = None
        if self.single:
            cores, gpus = machine.full[0]
            self.classes = [1]
            counts = (cores.bit_count(), gpus.bit_count()) if gpus else (cores.bit_count(),)
            self.lines = [Timeline(n if usable else 0, now) for n in counts]
        else:
            self.classes = node_classes(machine)
            self.lines = [Timeline((mask & usable).bit_count(), now) for mask in self.classes]

    # What the pool tells.

    def take(self, jobid: int, parts: Sequence[Part], start: float, end: float) -> None:
        """A job holds these pieces from now on, until `end` as far as is known."""
        self.version += 1
        if end < math.inf:
            heappush(self.ends, (end, jobid))
        if self.single:
            self._hold_of_one(parts, start, end)
        else:
            for part in parts:
                self._hold(jobid, part, start, end)
        self.held[jobid] = (parts, end)  # last: a node that is first tracked here must not take it for an old holder

    def give(self, jobid: int, parts: Sequence[Part], now: float, rest: Sequence[Part]) -> None:
        """A job has let go of these pieces; `rest` is what it keeps."""
        _, end = self.held.pop(jobid)
        self._overdue.pop(jobid, None)
        self.version += 1
        if end > now:
            self.renewal.open(now, end)
        if rest:
            self.held[jobid] = (rest, end)
        self._release(jobid, parts, now, end)

    def move_end(self, jobid: int, now: float, end: float) -> None:
        """The planned end of a holder changes."""
        parts, old = self.held.pop(jobid)
        self._overdue.pop(jobid, None)
        if old > end:
            self.renewal.open(end, old)
        self._release(jobid, parts, now, old)
        self.take(jobid, parts, now, end)

    def advance(self, now: float) -> None:
        """Come to the present, and plan holders that are overdue on for as long again: promises that count on one lapse O(log) times.

        Amortised O(log holders) for each.
        """
        ends = self.ends
        if self.now == now and not (ends and ends[0][0] <= now):
            return
        self.now = now
        for line in self.every_line():
            line.advance(now)
        while ends and ends[0][0] <= now:
            end, jobid = heappop(ends)
            held = self.held.get(jobid)
            if held is not None and held[1] == end:
                since = self._overdue.get(jobid, end)
                self.move_end(jobid, now, now + max(OVERDUE, now - since))
                self._overdue[jobid] = since

    def every_line(self) -> list[Timeline]:
        """The lines, and the total if there is one."""
        return self.lines if self.total is None else [*self.lines, self.total]

    def _whole_total(self) -> Timeline:
        """The total, made when it is first asked for."""
        if self.total is None:
            free = sum(
                (ranks & self.usable).bit_count() * cores.bit_count()
                for (cores, _), ranks in self.machine.kinds.items()
            )
            self.total = Timeline(free, self.now)
            for parts, end in self.held.values():
                for part in parts:
                    self._sum(part, self.now, end, 1)
        return self.total

    def _sum(self, part: Part, start: float, end: float, sign: int) -> None:
        """Take the cores of a piece from the total, or give them back."""
        if self.total is not None and end > start:
            mask, cores, _, _ = part
            self.total.take(start, end, sign * cores.bit_count() * (mask & self.usable).bit_count())

    def _hold_of_one(self, parts: Sequence[Part], start: float, end: float, sign: int = 1) -> None:
        """Take pieces of the single node from its lines, or give them back."""
        if not self.usable or end <= start:
            return
        line = self.lines[0]
        if self.now != start:
            line.advance(start)  # a step less to make
        for _, cores, gpus, _ in parts:
            line.take(start, end, sign * cores.bit_count())
            if gpus:
                self.lines[1].take(start, end, sign * gpus.bit_count())

    def _release(self, jobid: int, parts: Sequence[Part], now: float, end: float) -> None:
        """Give back pieces that were held until `end`."""
        if self.single:
            self._hold_of_one(parts, now, end, -1)
        else:
            for part in parts:
                self._let_go(jobid, part, now, end)

    def _hold(self, jobid: int, part: Part, start: float, end: float) -> None:
        mask, cores, gpus, _ = part
        self._sum(part, start, end, 1)
        named = mask & self.tracked_mask
        whole = mask & self.machine.kinds.get((cores, gpus), 0) & ~named
        self._count(whole & self.usable, start, end, 1)
        for i in members(mask ^ whole):
            self.track(i, jobid, start, end)

    def _let_go(self, jobid: int, part: Part, now: float, end: float) -> None:
        mask = part[0]
        self._sum(part, now, end, -1)
        named = mask & self.tracked_mask
        if end > now:
            self._count((mask ^ named) & self.usable, now, end, -1)
        for i in members(named):
            self.untrack(i, jobid, now)

    def _count(self, mask: int, start: float, end: float, sign: int) -> None:
        """Take idle nodes from the lines of their classes, or give them back."""
        if not mask or start >= end:
            return
        for line, ranks in zip(self.lines, self.classes, strict=True):
            number = (mask & ranks).bit_count()
            if number:
                line.advance(start)
                line.take(start, end, sign * number)

    def track(self, i: int, key: int, now: float, end: float) -> None:
        """One more holder of a node that is kept by name; negative keys are promises."""
        holders = self.tracked.get(i)
        if holders is None:
            holders = self.tracked[i] = self._holders(i)
            self.tracked_mask |= 1 << i
        old = max(holders.values(), default=now)
        holders[key] = max(end, holders.get(key, now))
        self._stretch(i, max(old, now), max(old, end), 1)

    def untrack(self, i: int, key: int, now: float) -> None:
        """One holder less."""
        holders = self.tracked[i]
        old = max(holders.values())
        del holders[key]
        new = max(holders.values(), default=now)
        self._stretch(i, max(new, now), old, -1)
        if not holders:
            del self.tracked[i]
            self.tracked_mask ^= 1 << i

    def _stretch(self, i: int, start: float, end: float, sign: int) -> None:
        if end > start and self.usable >> i & 1:
            self.lines[self.class_of[i]].take(start, end, sign)

    def _holders(self, i: int) -> dict[int, float]:
        """Who holds a node that was not tracked: at most one job, all of it, and it is in the line already."""
        for jobid, (parts, end) in self.held.items():
            if any(part[0] >> i & 1 for part in parts):
                return {jobid: end}
        return {}

    @property
    def class_of(self) -> list[int]:
        """Index -> class."""
        if self._class_of is None:
            self._class_of = [0] * len(self.machine.ranks)
            for number, mask in enumerate(self.classes):
                for i in members(mask):
                    self._class_of[i] = number
        return self._class_of

    # What can be had.

    def want(self, demand: Demand) -> Want:
        """How the plan sees a demand; kept as long as the demand is."""
        found = self._wants.get(demand)
        if found is None:
            found = self._wants[demand] = self._read(demand)
        return found

    def _read(self, demand: Demand) -> Want:
        want = Want()
        machine = self.machine
        match = machine.everything if demand.match is None else demand.match
        if self.single:
            full = machine.full[0]
            if demand.exclusive:
                want.amount, want.gpus = full[0].bit_count(), full[1].bit_count()
            else:
                want.amount, want.gpus = demand.cores * demand.least, demand.gpus * demand.least
            if not match & 1:
                want.amount = full[0].bit_count() + 1
            want.line = self.lines[0]
            return want
        classes = []
        for number, mask in enumerate(self.classes):
            if not mask & match:
                continue
            cores, gpus = machine.full[mask.bit_length() - 1]
            have, have_gpus = cores.bit_count(), gpus.bit_count()
            if have < demand.cores or have_gpus < demand.gpus:
                continue
            whole = demand.exclusive or (have == demand.cores and have_gpus == demand.gpus)
            if not whole or mask & ~match:
                if demand.cores == 1 and not (demand.gpus or demand.nodes or demand.exclusive or self.usable & ~match):
                    want.units, want.amount, want.line = True, demand.least, self._whole_total()
                return want
            classes.append((-machine.key((cores, gpus)), number))
        want.classes = [number for _, number in sorted(classes)]
        want.amount = demand.least
        if len(classes) == 1:
            want.line = self.lines[classes[0][1]]
        return want

    def earliest(self, demand: Demand, duration: float, after: float) -> float | None:
        """The first time from `after` on at which a demand fits beside all promises; None if never."""
        want = self.want(demand)
        if not self._by_name(want):
            if want.line is None:
                return self._earliest_of_classes(want, duration, after)
            if not want.gpus:
                return want.line.earliest(want.amount, duration, after)
            return self._earliest_of_two(want, duration, after)
        found = naming.search(self, demand, duration, after)
        self._bound = None if found is None else (demand, found[0], self.version, found[1])
        return None if found is None else found[0]

    def _by_name(self, want: Want) -> bool:
        """Whether what is wanted can only be promised with the names of nodes."""
        if self.single:
            return False
        if want.units:
            return bool(self.naming or self.counting)
        return bool(self.naming or self.pooled) or not want.classes

    def _earliest_of_two(self, want: Want, duration: float, after: float) -> float | None:
        """Cores and GPUs of the single node: each line in turn moves the time on until both agree."""
        cores, gpus = self.lines
        start: float | None = after
        while start is not None:
            start = cores.earliest(want.amount, duration, start)
            if start is None:
                return None
            other = gpus.earliest(want.gpus, duration, start)
            if other == start:
                return start
            start = other
        return None

    def _earliest_of_classes(self, want: Want, duration: float, after: float) -> float | None:
        lines = [self.lines[number] for number in want.classes]
        times = sorted({after, *(time for line in lines for time, _ in line.steps() if time > after)})
        for start in times:
            if sum(max(line.least(start, start + duration), 0) for line in lines) >= want.amount:
                return start
        return None

    def promise(self, jobid: int, request: ResourceRequest, demand: Demand, start: float, now: float) -> bool:
        """Promise a demand from `start` on; False if that would break another promise."""
        promise = Promise(request, demand, start)
        want = self.want(demand)
        naming.settle(self, demand, start, promise.end - start)
        if self._by_name(want):
            known = self._bound is not None and self._bound[:3] == (demand, start, self.version)
            if not known and self.earliest(demand, promise.end - start, start) != start:
                return False
            assert self._bound is not None
            promise.named = self._bound[3]
        elif self.single:
            if self.lines[0].least(start, promise.end) < want.amount:
                return False
            if want.gpus and self.lines[1].least(start, promise.end) < want.gpus:
                return False
            promise.cores, promise.gpus = want.amount, want.gpus
        elif want.units:
            assert want.line is not None
            if want.line.least(start, promise.end) < want.amount:
                return False
            promise.pooled, promise.cores = True, want.amount
        else:
            left = want.amount
            for number in want.classes:
                number_here = min(left, self.lines[number].least(start, promise.end))
                if number_here > 0:
                    promise.nodes.append((number, number_here))
                    left -= number_here
            promise.fixed = want.line is not None
            if left:
                return False
        self.promises[jobid] = promise
        self._bind(jobid, promise, now)
        return True

    def _bind(self, jobid: int, promise: Promise, now: float, sign: int = 1) -> None:
        start, end = promise.start, promise.end
        self.version += 1
        promise.line = None
        if self.single and not promise.gpus:
            promise.line, promise.amount, promise.mark = self.lines[0], promise.cores, (0, promise.cores)
        elif promise.pooled:
            promise.line, promise.amount, promise.mark = self._whole_total(), promise.cores, (-1, promise.cores)
            promise.line.take(start, end, sign * promise.cores)
            self.pooled += sign
        elif promise.fixed:
            promise.mark = promise.nodes[0]
            promise.line, promise.amount = self.lines[promise.mark[0]], promise.mark[1]
        if self.single:
            self.lines[0].take(start, end, sign * promise.cores)
            if promise.gpus:
                self.lines[1].take(start, end, sign * promise.gpus)
        self.renewal.index(jobid, promise, sign)
        want = self.want(promise.demand)
        self.of_units += sign * want.units
        self.of_nodes += sign * bool(want.classes)
        self.of_parts += sign * (not want.units and not want.classes)
        self.counting += sign * bool(promise.nodes)
        self.naming += sign * bool(promise.named)
        for number, nodes in promise.nodes:
            self.lines[number].take(start, end, sign * nodes)
        for i, _, _ in promise.named:
            if sign > 0:
                self.track(i, ~jobid, now, end)
            else:
                self.untrack(i, ~jobid, now)

    def lift(self, jobid: int, now: float) -> Promise | None:
        """Take a promise out of the plan."""
        promise = self.promises.pop(jobid, None)
        if promise is not None:
            self._bind(jobid, promise, now, -1)
        return promise

    def put_back(self, jobid: int, promise: Promise, now: float) -> None:
        """Put a promise back as it was."""
        self.promises[jobid] = promise
        self._bind(jobid, promise, now)

    def opened(self, promise: Promise) -> None:
        """A promise was taken back: others may move to where it was."""
        self.renewal.open(promise.start, promise.end)

    def renew_one(self, jobid: int, promise: Promise, demand: Demand, now: float) -> float | None:
        """Lift a promise, find its earliest start, put it back there or where it was; the new start if it moved."""
        self.lift(jobid, now)
        start = self.earliest(demand, promise.end - promise.start, now)
        if start is None or start >= promise.start or not self.promise(jobid, promise.request, demand, start, now):
            self.put_back(jobid, promise, now)
            return None
        return start

    def shift(self, promise: Promise, start: float) -> None:
        """Move a promise of an amount of one line, where there is room for it."""
        line = promise.line
        assert line is not None
        line.take(promise.start, promise.end, -promise.amount)
        promise.end = start + (promise.end - promise.start)
        promise.start = start
        line.take(start, promise.end, promise.amount)
        self.version += 1

    def rooms(
        self, requests: Iterable[ResourceRequest], demand_of: Callable[[Shape], Demand], now: float
    ) -> list[float]:
        """For each request an upper bound on the seconds for which it could be held from now on; -1 if it cannot be had now.

        O(1) each for amounts of one line, beside a look at the promises.
        """
        found: list[float] = []
        by_shape, naming = self._by_shape, self.naming
        free = 0
        known: Timeline | None = None  # the line that `free` and `falls` are of: mostly the same for all
        falls: list[tuple[float, int]] | None = None
        for request in requests:
            shape = request.shape
            want = by_shape.get(shape)
            if want is None:
                want = by_shape[shape] = self.want(demand_of(shape))
            line = want.line
            if line is None or line is not known:
                if line is None or naming or (want.units and self.counting):
                    found.append(math.inf if shared.enough_free(self, demand_of(shape)) else -1.0)
                    continue
                known, free, falls = line, line.free_now, None
            amount = want.amount
            if amount > free:
                found.append(-1.0)
                continue
            if len(self.promises) > FEW:
                room = line.room(amount, now)
            else:
                if falls is None:
                    falls = self._falls(line, now)
                room = math.inf
                for time, left in falls:
                    if left < amount:
                        room = time - now
                        break
            if want.gpus:
                room = min(room, self.lines[1].room(want.gpus, now))
            found.append(room)
        return found

    def _falls(self, line: Timeline, now: float) -> list[tuple[float, int]]:
        """(time, free) where less is free than at any time before, ascending: that is only where promises begin."""
        starts = [promise.start for promise in self.promises.values() if promise.start > now]
        if len(starts) > 1:
            starts.sort()
        least = line.free_now
        found = []
        for time in starts:
            free = line.at(time)
            if free < least:
                least = free
                found.append((time, free))
        return found

    def limits(
        self, demand: Demand, now: float, end: float
    ) -> tuple[int | None, dict[int, tuple[int, int]] | None] | None:
        """What a job that starts now may use: (eligible ranks or None for all, caps or None). None if it cannot start.

        Only asked while there are promises. `eligible` counts beside what is up and matches the constraint.
        """
        want = self.want(demand)
        if self.single:
            cores = self.lines[0].least(now, end)
            gpus = self.lines[1].least(now, end) if self.machine.full[0][1] else 0
            if cores < want.amount or gpus < want.gpus:
                return None
            return None, {0: (cores, gpus)} if demand.most != demand.least and not demand.exclusive else None
        if self.pooled and demand.most == demand.least:
            total = self._whole_total().least(now, end)
            return (None, None) if total >= self._cores_at_most(demand) else None
        if want.line is not None and not (self.naming or want.units) and demand.most == demand.least:
            return (None, None) if want.line.least(now, end) >= want.amount else None
        return shared.limits(self, demand, now, end)

    def _cores_at_most(self, demand: Demand) -> int:
        """The cores that a demand without a range would take now; of whole nodes, those of the largest that are idle."""
        if not demand.exclusive:
            return demand.least * demand.cores
        idle = self.ledger.idle & self.usable
        if demand.match is not None:
            idle &= demand.match
        left, taken = demand.least, 0
        for cores, ranks in sorted(
            ((node[0].bit_count(), ranks) for node, ranks in self.machine.kinds.items()), reverse=True
        ):
            nodes = min(left, (ranks & idle).bit_count())
            taken += nodes * cores
            left -= nodes
        return taken

    def copy(self, ledger: Ledger) -> Plan:
        """An independent plan of the same, over a ledger that is a copy of this one's. Made from what is held and promised."""
        new = Plan(self.machine, ledger, self.usable, self.now)
        if self.total is not None:
            new._whole_total()
        for jobid, (parts, end) in self.held.items():
            new.take(jobid, parts, self.now, end)
        for jobid, promise in self.promises.items():
            new.put_back(jobid, copy(promise), self.now)  # binding notes the line in the promise: these stay in ours
        new._overdue.update(self._overdue)
        return new

    def check(self, now: float) -> None:
        """Recompute the lines from what is held and promised. Raises AssertionError."""
        for line in self.every_line():
            line.advance(now)
        assert all(promise.end > now or promise.start <= now for promise in self.promises.values()), self.promises
        self.now = now
        fresh = self.copy(self.ledger)
        for line, expected in zip(self.every_line(), fresh.every_line(), strict=True):
            line.check()
            assert list(line.steps()) == list(expected.steps()), (list(line.steps()), list(expected.steps()))
        for i, holders in self.tracked.items():
            assert holders.keys() == (fresh.tracked.get(i) or fresh._holders(i)).keys(), (i, holders)  # noqa: SLF001 - same class
        assert self.tracked_mask == sum(1 << i for i in self.tracked)


def node_classes(machine: Machine) -> list[int]:
    """The masks of interchangeable nodes: same cores, GPUs and properties. Largest nodes first."""
    found: list[int] = []
    properties = [machine.mask(ranks) for _, ranks in sorted(machine.whole.property_ranks.items())]
    kinds = [machine.kinds[node] for key in machine.kind_keys for node in machine.kinds_of_key[key]]
    for kind in kinds:
        split = [kind]
        for mask in properties:
            split = [piece for old in split for piece in (old & mask, old & ~mask) if piece]
            if len(split) + len(found) > MAX_CLASSES:
                return kinds
        found.extend(split)
    return found
