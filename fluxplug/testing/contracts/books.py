"""What the pool suite keeps beside a pool, to catch it: the accounts of who holds what, and a plan of amounts that must agree.

Nothing here looks into a pool: an R is read through `to_dict`, or, where it names nothing, counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hypothesis import Phase, settings

from fluxplug.errors import InsufficientResources
from fluxplug.resource.rset import Rv1Set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug.clock import ManualClock
    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.resource.request import ResourceRequest


def phases() -> list[Phase]:
    """Those of the settings in force, without `explain`, which traces every line of the engine and the pool and takes minutes."""
    return [phase for phase in settings().phases if phase is not Phase.explain]


Nodes = dict[int, tuple[int, int]]
"""rank -> masks of cores and GPUs."""


def nodes_of(R: Any) -> Nodes | None:  # noqa: N803 - the format's name
    """What an R names, by rank; None where it names nothing."""
    to_dict = getattr(R, "to_dict", None)
    return None if to_dict is None else dict(Rv1Set(to_dict()).nodes)


class Books:
    """Who holds what of a machine. Each method raises AssertionError where something is given twice, or was never there."""

    def __init__(self, machine: Mapping[str, Any]) -> None:
        self.machine = Rv1Set(machine)
        self.total: Nodes = dict(self.machine.nodes)
        self.ncores, self.ngpus = self.machine.ncores, self.machine.ngpus
        self.down: set[int] = set()
        self.held: dict[int, Any] = {}

    def take(self, jobid: int, R: Any) -> None:  # noqa: N803
        """A job has got R."""
        nodes = nodes_of(R)
        assert jobid not in self.held, f"job {jobid} holds something already"
        self.held[jobid] = R
        if nodes is None:
            assert self.count("core") <= self.ncores, "oversubscribed: more cores are held than there are"
            return
        assert nodes, f"job {jobid} got nothing"
        for rank, (cores, gpus) in nodes.items():
            total = self.total.get(rank)
            assert total is not None, f"job {jobid} got rank {rank}, which the machine has not"
            assert cores | gpus, f"job {jobid} got nothing of rank {rank}: {R.dumps()}"
            assert not (cores & ~total[0] | gpus & ~total[1]), f"job {jobid} got what rank {rank} has not: {R.dumps()}"
        for other, theirs in self.held.items():
            if other != jobid:
                for rank, (cores, gpus) in (nodes_of(theirs) or {}).items():
                    mine = nodes.get(rank, (0, 0))
                    assert not (cores & mine[0] | gpus & mine[1]), (
                        f"oversubscribed: jobs {other} ({theirs.dumps()}) and {jobid} ({R.dumps()}) share rank {rank}"
                    )

    def count(self, name: str) -> int:
        """How many cores or GPUs are held."""
        return sum(R.count(name) for R in self.held.values())

    def nodes(self) -> Nodes:
        """What is held, by rank."""
        found: Nodes = {}
        for R in self.held.values():  # noqa: N806
            for rank, (cores, gpus) in (nodes_of(R) or {}).items():
                old = found.get(rank, (0, 0))
                found[rank] = (old[0] | cores, old[1] | gpus)
        return found

    def serves(self, request: ResourceRequest, R: Any) -> None:  # noqa: N803
        """Raise AssertionError where R, just given, is not what was asked for."""
        told = f"{R.dumps()} for {request}"
        assert R.count("core") >= request.ncores, f"too few cores: {told}"
        assert R.count("gpu") >= request.ngpus, f"too few GPUs: {told}"
        nodes = nodes_of(R)
        if nodes is None:
            assert self.down != set(self.total), f"given while all is down: {told}"
            return
        assert not self.down & set(nodes), f"on ranks that are down, {sorted(self.down & set(nodes))}: {told}"
        if request.constraint is not None:
            good = set(self.machine.copy_constraint(request.constraint).nodes)
            assert set(nodes) <= good, (
                f"on ranks that do not satisfy the constraint, {sorted(set(nodes) - good)}: {told}"
            )
        if request.exclusive:
            assert all(mine == self.total[rank] for rank, mine in nodes.items()), f"not whole nodes: {told}"
        size, gpus = request.slot_size, request.gpu_per_slot
        slots = [
            min(cores.bit_count() // size, have.bit_count() // gpus if gpus else cores.bit_count())
            for cores, have in nodes.values()
        ]
        if request.node_count is None:
            assert sum(slots) >= request.nslots, f"too few slots: {told}"
            return
        count = request.node_count
        most = len(nodes) if count.max is None else count.max
        assert count.min <= len(nodes) <= most, f"wrong number of nodes: {told}"
        assert min(slots) >= request.slot_count.min, f"too few slots on a node: {told}"


class Amounts:
    """A plan of one amount, the slow and obvious way: every answer is worked out from the list of who has how much from when until when.

    Entries are by job id: (amount, start, planned end). A holder's start has passed; a promise's may lie ahead.
    """

    def __init__(self, amount: int, clock: ManualClock) -> None:
        self.amount = amount
        self.clock = clock
        self.holders: dict[int, tuple[int, float, float]] = {}
        self.promises: dict[int, tuple[int, float, float]] = {}

    def free_at(self, time: float) -> int:
        """What is left of the amount at a time."""
        entries = [*self.holders.values(), *self.promises.values()]
        return self.amount - sum(amount for amount, start, end in entries if start <= time < end)

    def fits(self, amount: int, seconds: float, start: float) -> bool:
        """Whether so much is free for so long: less can be free only where something begins."""
        begins = [begin for _, begin, _ in self.promises.values() if start < begin < start + seconds]
        return all(self.free_at(time) >= amount for time in (start, *begins))

    def earliest(self, amount: int, seconds: float, after: float) -> float | None:
        """The first time at which so much is free for so long: now, or where something ends."""
        ends = [end for _, _, end in (*self.holders.values(), *self.promises.values()) if after < end < math.inf]
        return next((time for time in sorted({after, *ends}) if self.fits(amount, seconds, time)), None)

    def renew(self, jobids: Iterable[int], now: float) -> dict[int, float]:
        """Lift each promise in turn and put it back where it fits first; the starts of those that moved."""
        moved = {}
        for jobid in jobids:
            amount, old, end = self.promises.pop(jobid)
            start = self.earliest(amount, end - old, now)
            if start is not None and start < old:
                moved[jobid] = start
                self.promises[jobid] = (amount, start, start + end - old)
            else:
                self.promises[jobid] = (amount, old, end)
        return moved


class Twin:
    """A pool of interchangeable cores, whose every answer is compared with those of `Amounts`.

    It stands in for the pool; what it does not compare goes to the pool alone. The amount of a request is its `ncores`.
    """

    def __init__(self, pool: ResourcePoolImplementation, amounts: Amounts) -> None:
        self.pool = pool
        self.amounts = amounts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    def alloc(self, jobid: int, request: Any) -> Any:
        amounts, now = self.amounts, self.pool.clock.now()
        amount, seconds = request.ncores, request.duration or math.inf
        own = amounts.promises.pop(jobid, None)
        fits = amounts.fits(amount, seconds, now)
        told = f"{amount} of {amounts.amount} cores for {seconds:g} s from {now:g}, beside the promises"
        try:
            R = self.pool.alloc(jobid, request)  # noqa: N806
        except InsufficientResources:
            if own is not None:
                amounts.promises[jobid] = own
            assert not fits, f"refused, but there are {told}"
            raise
        assert fits, f"given, but there are not {told}"
        assert R.count("core") == amount, f"{R.dumps()} is not {amount} cores"
        amounts.holders[jobid] = (amount, now, now + seconds)
        return R

    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:  # noqa: N803
        self.pool.free(jobid, R, final)
        self.amounts.holders.pop(jobid, None)

    def register_alloc(self, jobid: int, R: Any) -> None:  # noqa: N803
        self.pool.register_alloc(jobid, R)
        self.amounts.holders[jobid] = (R.count("core"), self.pool.clock.now(), math.inf)

    def update_expiration(self, jobid: int, expiration: float) -> None:
        self.pool.update_expiration(jobid, expiration)
        amount, start, _ = self.amounts.holders[jobid]
        self.amounts.holders[jobid] = (amount, start, expiration or math.inf)

    def earliest_start(self, request: Any, after: float) -> float | None:
        start = self.pool.earliest_start(request, after)
        expected = self.amounts.earliest(request.ncores, request.duration or math.inf, after)
        assert start == expected, (
            f"{request.ncores} cores for {request.duration:g} s after {after:g}: first at {expected}, not at {start}"
        )
        return start

    def reserve(self, jobid: int, request: Any, start: float) -> None:
        self.pool.reserve(jobid, request, start)
        amount, seconds = request.ncores, request.duration or math.inf
        assert self.amounts.fits(amount, seconds, start), f"promised {amount} cores from {start:g}, which are not there"
        self.amounts.promises[jobid] = (amount, start, start + seconds)

    def unreserve(self, jobid: int) -> None:
        self.pool.unreserve(jobid)
        self.amounts.promises.pop(jobid, None)

    def drop_reservations(self) -> None:
        self.pool.drop_reservations()
        self.amounts.promises.clear()

    def renew(self, queue: str, promised: Mapping[int, Any], after: float) -> list[tuple[int, float]]:
        moved = self.pool.renew(queue, promised, after)
        expected = self.amounts.renew(sorted(promised, key=promised.__getitem__), after)
        assert dict(moved) == expected, f"renewed to {dict(moved)}, not to {expected}"
        return moved
