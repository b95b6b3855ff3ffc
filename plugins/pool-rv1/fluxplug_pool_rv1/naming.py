"""Names for promises by amounts, when a demand comes that does not go with them.

Names are given in the order of the starts. That always works, because until then what is free only becomes more; unless a holder is overdue:
then a promise may name what is not free in time, and will lapse.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from fluxplug.resource.bits import members
from fluxplug_pool_rv1 import shared

if TYPE_CHECKING:
    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.plan import Plan
    from fluxplug_pool_rv1.promise import Named, Promise

Counted = list[tuple[int, "Promise"]]
"""(jobid, promise) of promises as they were before they got names"""


def must_name(plan: Plan, demand: Demand) -> bool:
    """Whether there are promises by amounts that a demand does not go with."""
    if plan.single or not (plan.pooled or plan.counting):
        return False
    want = plan.want(demand)
    if want.units:
        return bool(plan.counting) or demand.most != demand.least
    return bool(plan.pooled) or not want.classes


def settle(plan: Plan, demand: Demand) -> None:
    """Give names to the promises by amounts, if this demand does not go with them.

    Before any of them is lifted: a promise that is put back must find things as they were.
    """
    if must_name(plan, demand):
        name_all(plan, demand)


def settle_units(plan: Plan) -> None:
    """Give names to the promises of single cores if, of the nodes that are there now, not all will do for them."""
    if any(promise.pooled and not plan.want(promise.demand).units for promise in plan.promises.values()):
        name_all(plan)


def for_range(plan: Plan, demand: Demand) -> Counted:
    """Give names to the promises by amounts if a range, which takes what there is, must be kept from them; for `take_back`."""
    return name_all(plan, demand) if demand.most != demand.least and must_name(plan, demand) else []


def take_back(plan: Plan, counted: Counted) -> None:
    """Let promises that are still there be by amounts again, as they were."""
    for jobid, promise in counted:
        if plan.lift(jobid, plan.now) is not None:
            plan.put_back(jobid, promise, plan.now)


def name_all(plan: Plan, avoid: Demand | None = None) -> Counted:
    """Give names to all promises by amounts, if possible not of nodes that `avoid` is bound to; returns them as they were.

    O(promises log promises) and, for each of whole nodes, O(nodes of its classes); for single cores a search each.
    """
    order = sorted((promise.start, jobid) for jobid, promise in plan.promises.items() if not promise.named)
    old = [(jobid, plan.promises[jobid]) for _, jobid in order]
    for jobid, _ in old:
        plan.lift(jobid, plan.now)
    free_from = _free_from(plan)
    bound = 0 if avoid is None or avoid.match is None else avoid.match
    for jobid, before in old:
        promise = copy(before)
        promise.pooled = promise.fixed = False
        promise.cores, promise.nodes = 0, []
        if before.pooled:
            found = shared.earliest(plan, promise.demand, promise.end - promise.start, promise.start)
            promise.named = found[1] if found is not None else []
        else:
            promise.named = _nodes_of(plan, before, free_from, bound)
        plan.put_back(jobid, promise, plan.now)
    return old


def _free_from(plan: Plan) -> list[float]:
    """For each node, when the last of its holders ends."""
    found = [plan.now] * len(plan.machine.ranks)
    for parts, end in plan.held.values():
        for mask, _, _, _ in parts:
            for i in members(mask):
                found[i] = max(found[i], end)
    return found


def _nodes_of(plan: Plan, promise: Promise, free_from: list[float], bound: int) -> Named:
    """Nodes for a promise of whole nodes of classes: of those that are free in time the last to become so, `bound` ones last."""
    named = []
    for number, count in promise.nodes:
        nodes = [
            (max(free_from[i] - promise.start, 0), bound >> i & 1, -free_from[i], i)
            for i in members(plan.classes[number] & plan.usable)
        ]
        for *_, i in sorted(nodes)[:count]:
            free_from[i] = promise.end
            cores, gpus = plan.machine.full[i]
            named.append((i, cores.bit_count(), gpus.bit_count()))
    return named
