"""Names for promises by amounts, when a demand comes that does not go with them; and amounts again when that is over.

Names are given in the order of the starts. That always works, because until then what is free only becomes more; unless a holder is overdue:
then a promise may name what is not free in time, and will lapse.
"""

from __future__ import annotations

import math
from collections import Counter
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
    """Whether there are promises by amounts that a promise of this demand would not go with."""
    if plan.single or not (plan.pooled or plan.counting):
        return False
    want = plan.want(demand)
    return bool(plan.counting) if want.units else bool(plan.pooled) or not want.classes


def settle(plan: Plan, demand: Demand, start: float, duration: float) -> None:
    """Give names to the promises by amounts, if a promise of this demand from `start` on would not go with them.

    Before any of them is lifted: a promise that is put back must find things as they were.
    """
    if must_name(plan, demand):
        name_all(plan, _to_avoid(plan, demand, start, duration))


def search(plan: Plan, demand: Demand, duration: float, after: float) -> tuple[float, Named] | None:
    """`shared.earliest` where there may be promises by amounts; asking changes nothing."""
    if not must_name(plan, demand):
        return shared.earliest(plan, demand, duration, after)
    found = None
    for start in (plan.now, math.inf) if after <= plan.now else (math.inf,):
        counted = name_all(plan, _to_avoid(plan, demand, start, duration))
        found = shared.earliest(plan, demand, duration, after)
        take_back(plan, counted)
        if found is not None and found[0] <= start:
            break
    return found


def _to_avoid(plan: Plan, demand: Demand, start: float, duration: float) -> int:
    """The nodes that would serve a demand: now, if that is when it is to start, or those that its constraint binds it to."""
    now = shared.fits_now(plan, demand, duration) if start <= plan.now else None
    return (demand.match or 0) if now is None else sum(1 << i for i, _, _ in now)


def settle_units(plan: Plan) -> None:
    """Give names to the promises of single cores if, of the nodes that are there now, not all will do for them."""
    if any(promise.pooled and not plan.want(promise.demand).units for promise in plan.promises.values()):
        name_all(plan)


def for_range(plan: Plan, demand: Demand, duration: float) -> Counted:
    """Give names to the promises by amounts if a range, which takes what there is, must be kept from them; for `take_back`."""
    if demand.most == demand.least or plan.single:
        return []
    if not plan.pooled and not must_name(plan, demand):
        return []
    return name_all(plan, _to_avoid(plan, demand, plan.now, duration))


def take_back(plan: Plan, counted: Counted) -> None:
    """Let promises that are still there be by amounts again, as they were."""
    for jobid, promise in counted:
        if plan.lift(jobid, plan.now) is not None:
            plan.put_back(jobid, promise, plan.now)


def relax(plan: Plan) -> None:
    """Let promises be by amounts again when all that are left can be: what is promised depends on the promises there are, not on those that were.

    O(1) where there is nothing to do, else O(promises).
    """
    if not plan.naming or plan.of_parts or (plan.of_units and plan.of_nodes):
        return
    for jobid, before in list(plan.promises.items()):
        if not before.named:
            continue
        promise = copy(before)
        promise.named = []
        want = plan.want(promise.demand)
        if want.units:
            promise.pooled, promise.cores = True, sum(cores for _, cores, _ in before.named)
        else:
            promise.fixed = want.line is not None
            promise.nodes = sorted(Counter(plan.class_of[i] for i, _, _ in before.named).items())
        plan.lift(jobid, plan.now)
        plan.put_back(jobid, promise, plan.now)


def name_all(plan: Plan, avoid: int = 0) -> Counted:
    """Give names to all promises by amounts, those of whole nodes if possible not in the mask `avoid`; returns them as they were.

    O(promises log promises) and, for each of whole nodes, O(nodes of its classes); for single cores a search each.
    """
    order = sorted((promise.start, jobid) for jobid, promise in plan.promises.items() if not promise.named)
    old = [(jobid, plan.promises[jobid]) for _, jobid in order]
    for jobid, _ in old:
        plan.lift(jobid, plan.now)
    free_from = _free_from(plan)
    for jobid, before in old:
        promise = copy(before)
        promise.pooled = promise.fixed = False
        promise.cores, promise.nodes = 0, []
        if before.pooled:
            found = shared.earliest(plan, promise.demand, promise.end - promise.start, promise.start)
            promise.named = found[1] if found is not None else []
        else:
            promise.named = _nodes_of(plan, before, free_from, avoid)
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


def _nodes_of(plan: Plan, promise: Promise, free_from: list[float], avoid: int) -> Named:
    """Nodes for a promise of whole nodes of classes: of those that are free in time the last to become so, those to `avoid` last."""
    named = []
    for number, count in promise.nodes:
        nodes = [
            (max(free_from[i] - promise.start, 0), avoid >> i & 1, -free_from[i], i)
            for i in members(plan.classes[number] & plan.usable)
        ]
        for *_, i in sorted(nodes)[:count]:
            free_from[i] = promise.end
            cores, gpus = plan.machine.full[i]
            named.append((i, cores.bit_count(), gpus.bit_count()))
    return named
