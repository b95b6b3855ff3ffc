"""Worst-fit: which of the free cores and GPUs a demand gets. Chooses; takes nothing.

Ranks with the most free cores go first, then the most free GPUs, then the lowest rank; on a rank the lowest free ids. Ranks with equal
amounts are one mask of the ledger's levels, so the choice walks levels, and idle ranks of one kind are chosen together.

`eligible` is the mask of the ranks that may be used, None for all. `caps` limits what may be used on some ranks: index to (cores,
GPUs); it does not change the order. An answer is (pieces, granted), `granted` being nodes, or slots where no nodes are asked for; it may
fall short of the demand's least.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from fluxplug.resource.bits import lowest, mask_of, members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.ledger import Ledger
    from fluxplug_pool_rv1.machine import Part

Caps: TypeAlias = "Mapping[int, tuple[int, int]]"


def choose(ledger: Ledger, demand: Demand, eligible: int | None, caps: Caps | None) -> tuple[list[Part], int]:
    """The pieces for a demand. Steps grow with the levels passed and the shared ranks chosen, mask operations with the machine."""
    if demand.exclusive:
        return whole_nodes(ledger, demand, eligible, caps)
    if caps:
        return _with_caps(ledger, demand, eligible, caps)
    if demand.nodes:
        return _nodes(ledger, demand, eligible)
    return _slots(ledger, demand, eligible)


def _slots(ledger: Ledger, demand: Demand, eligible: int | None) -> tuple[list[Part], int]:
    stride, levels = ledger.machine.stride, ledger.levels
    size, gpus = demand.cores, demand.gpus
    left: float = math.inf if demand.most is None else demand.most
    granted = 0
    pieces: list[Part] = []
    for key in reversed(ledger.order):
        have, have_gpus = divmod(key, stride)
        if have < size:
            break
        if have_gpus < gpus:
            continue
        ranks = levels[key] if eligible is None else levels[key] & eligible
        if not ranks:
            continue
        each = min(have // size, have_gpus // gpus) if gpus else have // size
        if left >= each:  # some ranks are filled: all of them at once
            filled = min(ranks.bit_count(), left // each) if left < math.inf else ranks.bit_count()
            chosen = lowest(ranks, int(filled))
            _pieces(ledger, chosen, each * size, each * gpus, pieces)
            granted += int(filled) * each
            left -= filled * each
            ranks ^= chosen
        if left and ranks:  # and the next one gets the rest
            slots = int(left)
            chosen = ranks & -ranks
            i = chosen.bit_length() - 1
            free = ledger.part.get(i) or ledger.machine.full[i]
            pieces.append((chosen, lowest(free[0], slots * size), lowest(free[1], slots * gpus) if gpus else 0, 1))
            granted += slots
            left = 0
        if not left:
            break
    return pieces, granted


def _nodes(ledger: Ledger, demand: Demand, eligible: int | None) -> tuple[list[Part], int]:
    stride, levels = ledger.machine.stride, ledger.levels
    cores, gpus = demand.cores, demand.gpus
    fit = []
    found = 0
    for key in reversed(ledger.order):
        have, have_gpus = divmod(key, stride)
        if have < cores:
            break
        if have_gpus < gpus:
            continue
        ranks = levels[key] if eligible is None else levels[key] & eligible
        if ranks:
            fit.append(ranks)
            found += ranks.bit_count()
            if demand.most is not None and found >= demand.most:
                break
    granted = _granted(demand, found)
    pieces: list[Part] = []
    left = granted
    for ranks in fit:
        if not left:
            break
        count = min(left, ranks.bit_count())
        _pieces(ledger, lowest(ranks, count), cores, gpus, pieces)
        left -= count
    return pieces, granted


def _granted(demand: Demand, found: int) -> int:
    most = found if demand.most is None else min(found, demand.most)
    return most - most % demand.step


def whole_nodes(
    ledger: Ledger, demand: Demand, eligible: int | None, caps: Caps | None, *, smallest_first: bool = False
) -> tuple[list[Part], int]:
    """Idle nodes that could hold the slots, all of each; the largest nodes first, or the smallest."""
    machine = ledger.machine
    idle = ledger.idle if eligible is None else ledger.idle & eligible
    if caps:
        # A whole node has no use for a part of one.
        full = machine.full
        idle &= ~mask_of(i for i, (c, g) in caps.items() if c < full[i][0].bit_count() or g < full[i][1].bit_count())
    fit: list[tuple[int, int]] = []
    found = 0
    for key in reversed(machine.kind_keys) if smallest_first else machine.kind_keys:
        have, have_gpus = divmod(key, machine.stride)
        if have < demand.cores or have_gpus < demand.gpus:
            continue
        ranks = ledger.levels.get(key, 0) & idle
        if ranks:
            fit.append((key, ranks))
            found += ranks.bit_count()
            if demand.most is not None and found >= demand.most:
                break
    granted = _granted(demand, found)
    pieces: list[Part] = []
    left = granted
    for key, ranks in fit:
        if not left:
            break
        count = min(left, ranks.bit_count())
        left -= count
        chosen = lowest(ranks, count)
        kinds = machine.kinds_of_key[key]
        if len(kinds) == 1:
            pieces.append((chosen, *kinds[0], count))
            continue
        for node in kinds:
            these = chosen & machine.kinds[node]
            if these:
                pieces.append((these, *node, these.bit_count()))
    return pieces, granted


def _with_caps(ledger: Ledger, demand: Demand, eligible: int | None, caps: Caps) -> tuple[list[Part], int]:
    """The same order, rank by rank: what may be used on one is no longer what its level says."""
    most: float = math.inf if demand.most is None else demand.most
    pieces: list[Part] = []
    granted = 0
    for key in reversed(ledger.order):
        if granted >= most or key // ledger.machine.stride < demand.cores:
            break
        ranks = ledger.levels[key] if eligible is None else ledger.levels[key] & eligible
        for i in members(ranks):
            free, free_gpus = ledger.free_on(i)
            use, use_gpus = caps.get(i, (math.inf, math.inf))
            fit = min(free.bit_count(), use) // demand.cores
            if demand.gpus:
                fit = min(fit, min(free_gpus.bit_count(), use_gpus) // demand.gpus)
            slots = int(min(fit, 1 if demand.nodes else most - granted))
            if slots:
                pieces.append((1 << i, lowest(free, slots * demand.cores), lowest(free_gpus, slots * demand.gpus), 1))
                granted += slots
                if granted >= most:
                    break
    surplus = granted % demand.step
    return pieces[: len(pieces) - surplus], granted - surplus


def _pieces(ledger: Ledger, chosen: int, cores: int, gpus: int, out: list[Part]) -> None:
    """Append so many of the lowest free cores and GPUs on each chosen rank."""
    if chosen & (chosen - 1) == 0:
        i = chosen.bit_length() - 1
        free = ledger.part.get(i) or ledger.machine.full[i]
        out.append((chosen, lowest(free[0], cores), lowest(free[1], gpus) if gpus else 0, 1))
        return
    idle = chosen & ledger.idle
    if idle:
        for node, ranks in ledger.kinds_in(idle):
            out.append((ranks, lowest(node[0], cores), lowest(node[1], gpus), ranks.bit_count()))
    shared = chosen ^ idle
    if shared:
        alike: dict[tuple[int, int], list[int]] = {}
        part = ledger.part
        for i in members(shared):
            alike.setdefault(part[i], []).append(i)
        for free, indexes in alike.items():
            out.append((mask_of(indexes), lowest(free[0], cores), lowest(free[1], gpus), len(indexes)))
