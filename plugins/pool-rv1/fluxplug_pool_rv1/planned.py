"""The second half of the pool contract, for `Rv1Pool`: reservations, kept in a `Plan` that is made when first asked for one.

A pool whose placement knows more than amounts (a subclass with candidates or domains of its own) plans by the contract's defaults instead, on
copies: `_plans_amounts` tells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource.pool import ResourcePoolImplementation
from fluxplug_pool_rv1 import naming
from fluxplug_pool_rv1.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fluxplug.resource.request import ResourceRequest, Shape
    from fluxplug_pool_rv1.allocation import Allocation
    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.ledger import Ledger
    from fluxplug_pool_rv1.machine import Machine, Part


class Planned(ResourcePoolImplementation):
    """Reservations over a ledger. Mixed into `Rv1Pool`, which says what is held and calls `_taken`, `_given_back`, `_end_changed` and `_availability_changed`."""

    _plan: Plan | None = None
    _plans_amounts: bool = True
    _machine: Machine
    _ledger: Ledger
    _usable: int
    _jobs: dict[int, Any]
    _demands: dict[Shape, Demand]
    _demand: Callable[[Shape], Demand]

    if TYPE_CHECKING:

        def place(self, jobid: int, request: Any, *, eligible: int | None = None, caps: Any = None) -> Allocation: ...

    def _planning(self) -> Plan:
        """The plan, brought to the present."""
        plan, now = self._plan, self.clock.now()
        if plan is None:
            plan = self._plan = Plan(self._machine, self._ledger, self._usable, now)
            for jobid, held in self._jobs.items():
                plan.take(jobid, held.parts, now, held.end)
        if plan.now != now or (plan.ends and plan.ends[0][0] <= now):
            plan.advance(now)
        return plan

    # What the pool tells after each change. A subclass that listens too calls these.

    def _taken(self, jobid: int, parts: Sequence[Part], end: float) -> None:
        """A job has taken these pieces until `end` (infinite: no end)."""
        if self._plan is not None:
            self._plan.take(jobid, parts, self.clock.now(), end)

    def _given_back(self, jobid: int, parts: Sequence[Part], final: bool) -> None:
        """A job has given these pieces back; `final` if they were the last."""
        if self._plan is not None:
            self._plan.give(jobid, parts, self.clock.now(), () if final else self._jobs[jobid].parts)

    def _end_changed(self, jobid: int, parts: Sequence[Part], before: float, end: float) -> None:
        """The planned end of a job has moved."""
        del parts, before
        if self._plan is not None:
            self._plan.move_end(jobid, self.clock.now(), end)

    def _availability_changed(self) -> None:
        """Ranks went up or down, or were removed: the plan is made again, with the promises as they are bound."""
        old, self._plan = self._plan, None
        if old is not None and old.promises:
            plan = self._planning()
            for jobid, promise in old.promises.items():
                plan.put_back(jobid, promise, self.clock.now())
            naming.settle_units(plan)
            plan.renewal.open(self.clock.now(), math.inf)

    def alloc(self, jobid: int, request: ResourceRequest) -> Allocation:
        """Take resources for a job now, keeping every promise to others, and return its R; its own promise is used up.

        Raises InsufficientResources (not now) or InfeasibleRequest (never); its own promise then stays.
        """
        if not self._plans_amounts:
            return super().alloc(jobid, request)  # type: ignore[no-any-return]
        plan = self._plan
        if plan is None or not plan.promises:
            return self.place(jobid, request)
        now = self.clock.now()
        demand = self._demand(request.shape)
        if demand.reason is not None:
            raise InfeasibleRequest(demand.reason)
        counted: naming.Counted = []
        if demand.most != demand.least:
            plan.advance(now)
            counted = naming.for_range(plan, demand, request.duration or math.inf)
        own = plan.lift(jobid, now) if jobid in plan.promises else None
        try:
            if not plan.promises:
                return self.place(jobid, request)
            limits = plan.limits(demand, now, now + (request.duration or math.inf))
            if limits is None:
                raise InsufficientResources
            found = self.place(jobid, request, eligible=limits[0], caps=limits[1])
            if own is not None and own.start > now:
                plan.opened(own)
            return found
        except BaseException:
            if own is not None:
                plan.put_back(jobid, own, now)
            raise
        finally:
            if counted:
                naming.take_back(plan, counted)
            if plan.naming:
                naming.relax(plan)

    def earliest_start(self, request: ResourceRequest, after: float) -> float | None:
        if not self._plans_amounts:
            return super().earliest_start(request, after)
        demand = self._demand(request.shape)
        if demand.reason is not None:
            return None
        return self._planning().earliest(demand, request.duration or math.inf, after)

    def reserve(self, jobid: int, request: ResourceRequest, start: float) -> None:
        if not self._plans_amounts:
            super().reserve(jobid, request, start)
            return
        plan = self._planning()
        now = self.clock.now()
        demand = self._demand(request.shape)
        if demand.reason is None:
            naming.settle(plan, demand, start, request.duration or math.inf)
        old = plan.lift(jobid, now)
        if demand.reason is not None or not plan.promise(jobid, request, demand, start, now):
            if old is not None:
                plan.put_back(jobid, old, now)
            raise InsufficientResources(f"cannot be promised from {start}")
        if old is not None:
            plan.opened(old)
        self.generation += 1

    def unreserve(self, jobid: int) -> None:
        if not self._plans_amounts:
            super().unreserve(jobid)
        elif self._plan is not None:
            promise = self._plan.lift(jobid, self.clock.now())
            if promise is not None:
                self._plan.opened(promise)
                naming.relax(self._plan)
                self.generation += 1

    def drop_reservations(self) -> None:
        if not self._plans_amounts:
            super().drop_reservations()
        elif self._plan is not None and self._plan.promises:
            self._plan = None
            self.generation += 1

    def reservations(self) -> Mapping[int, float]:
        if not self._plans_amounts:
            return super().reservations()
        return {} if self._plan is None else {jobid: promise.start for jobid, promise in self._plan.promises.items()}

    def copy_planned(self) -> ResourcePoolImplementation:
        if not self._plans_amounts:
            return super().copy_planned()
        new: Planned = self.copy()  # type: ignore[assignment]
        if self._plan is not None:
            new._plan = self._planning().copy(new._ledger)
        return new

    def renew(self, queue: str, promised: Mapping[int, Any], after: float) -> list[tuple[int, float]]:
        if not self._plans_amounts:
            return super().renew(queue, promised, after)
        if self._plan is None:
            return []
        moved = self._planning().renewal.run(queue, promised, self._demand_of, after)
        self.generation += len(moved)
        return moved

    def _demand_of(self, request: ResourceRequest) -> Demand:
        return self._demand(request.shape)

    def rooms(self, requests: Sequence[ResourceRequest]) -> list[float]:
        if not self._plans_amounts:
            return super().rooms(requests)
        plan = self._planning()
        return plan.rooms(requests, self._demand, plan.now)

    def _check_plan(self) -> None:
        """Compare the plan with what is held. Raises AssertionError."""
        plan = self._plan
        if plan is not None:
            held = {jobid: (list(parts), end) for jobid, (parts, end) in plan.held.items()}
            assert {j: v[0] for j, v in held.items()} == {j: list(h.parts) for j, h in self._jobs.items()}, (
                "plan: holders"
            )
            plan.check(self.clock.now())
