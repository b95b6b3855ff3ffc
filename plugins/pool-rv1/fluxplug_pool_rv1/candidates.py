"""Placement as Flux's pool does it for its subclasses: a list of candidate ranks with their free ids, sorted, then chosen from.

Slow and obvious: every free id is listed. `Rv1Pool` comes here only for a subclass that overrides `_sort_candidates` or
`_select_resources`; the tests hold `placement` against it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from fluxplug.errors import InsufficientResources
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxplug_pool_rv1.demand import Demand
    from fluxplug_pool_rv1.ledger import Ledger
    from fluxplug_pool_rv1.machine import Part
    from fluxplug_pool_rv1.placement import Caps

#: (rank, info, free cores, free GPUs): info as `describe` makes it, ids ascending.
Candidate: TypeAlias = "tuple[int, dict[str, Any], list[int], list[int]]"
#: (rank, cores, GPUs).
Choice: TypeAlias = "tuple[int, Iterable[int], Iterable[int]]"


def describe(ledger: Ledger, i: int, up: int) -> dict[str, Any]:
    """A rank as Flux's pool keeps it: hostname, cores, gpus, up, allocated_cores, allocated_gpus."""
    machine = ledger.machine
    full, free = machine.full[i], ledger.free_on(i)
    cores, gpus, held_cores, held_gpus = (
        IDset.from_mask(mask) for mask in (*full, full[0] ^ free[0], full[1] ^ free[1])
    )
    return {
        "hostname": machine.whole.hosts.get(machine.ranks[i], ""),
        "cores": frozenset(cores),
        "gpus": frozenset(gpus),
        "up": bool(up >> i & 1),
        "allocated_cores": set(held_cores),
        "allocated_gpus": set(held_gpus),
    }


def collect(ledger: Ledger, demand: Demand, up: int, eligible: int | None, caps: Caps | None) -> list[Candidate]:
    """The ranks with enough free for one slot, ascending."""
    machine, shape = ledger.machine, demand.shape
    found: list[Candidate] = []
    for rank in machine.rank_set(machine.everything if eligible is None else eligible):
        i = machine.index[rank]
        cores, gpus = (IDset.from_mask(mask).expand() for mask in ledger.free_on(i))
        if caps and i in caps:
            cores, gpus = cores[: caps[i][0]], gpus[: caps[i][1]]
        if len(cores) >= shape.slot_size and len(gpus) >= shape.gpu_per_slot:
            found.append((rank, describe(ledger, i, up), cores, gpus))
    return found


def worst_fit(candidates: list[Candidate]) -> list[Candidate]:
    """Most free cores first, then most free GPUs, then as given."""
    return sorted(candidates, key=lambda one: (-len(one[2]), -len(one[3])))


def select(candidates: list[Candidate], demand: Demand) -> tuple[list[Choice], int]:
    """The choice from ordered candidates, and the number of slots. Raises InsufficientResources where they do not suffice."""
    most: float = math.inf if demand.most is None else demand.most
    chosen: list[Choice] = []
    granted = 0
    for rank, info, cores, gpus in candidates:
        if granted >= most:
            break
        fit: float = len(cores) // demand.cores
        if demand.gpus:
            fit = min(fit, len(gpus) // demand.gpus)
        if demand.exclusive and (len(cores) < len(info["cores"]) or len(gpus) < len(info["gpus"])):
            fit = 0
        fit = int(min(fit, 1 if demand.nodes else most - granted))
        if not fit:
            continue
        if not demand.exclusive:
            cores, gpus = cores[: fit * demand.cores], gpus[: fit * demand.gpus]
        chosen.append((rank, cores, gpus))
        granted += fit
    surplus = granted % demand.step
    if granted - surplus < demand.least:
        raise InsufficientResources
    return chosen[: len(chosen) - surplus], demand.slots_on(granted - surplus)


def pieces(ledger: Ledger, chosen: list[Choice]) -> list[Part]:
    """A choice as pieces. Raises ValueError where it is not free."""
    parts: list[Part] = []
    seen = set()
    for rank, cores, gpus in chosen:
        i = ledger.machine.index[rank]
        piece = (1 << i, IDset(cores).mask(), IDset(gpus).mask(), 1)
        free = ledger.free_on(i)
        if rank in seen or piece[1] & ~free[0] or piece[2] & ~free[1]:
            raise ValueError(f"_select_resources chose what is not free on rank {rank}")
        seen.add(rank)
        parts.append(piece)
    return parts
