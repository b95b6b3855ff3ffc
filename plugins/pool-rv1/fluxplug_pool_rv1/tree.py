"""`TreePool`: an Rv1 pool that knows the sockets, NUMA domains and the like of its nodes (RFC 49), and keeps a slot in one of them.

It adds the topology of `scheduling.children`, requests for whole domains (`numa{x}`), best-fit over nodes, and placement by domains
(`domains`). All accounts are those of `Rv1Pool`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

from fluxplug.errors import DocumentError, ParseError
from fluxplug.resource.bits import ascending, lowest, mask_of
from fluxplug.resource.request import ResourceRequest
from fluxplug.values.idset import IDset
from fluxplug_pool_rv1.demand import Demand
from fluxplug_pool_rv1.domains import Topology
from fluxplug_pool_rv1.machine import Machine
from fluxplug_pool_rv1.placement import whole_nodes
from fluxplug_pool_rv1.pool import Rv1Pool

if TYPE_CHECKING:
    from collections.abc import Hashable

    from fluxplug.resource.document import Node
    from fluxplug.resource.request import Shape, Walk
    from fluxplug.resource.rset import Rv1Set
    from fluxplug_pool_rv1.machine import Part
    from fluxplug_pool_rv1.placement import Caps


class TreeRequest(ResourceRequest):
    """A request that may ask for whole domains: an exclusive vertex in the slot, such as `numa{x}`, is `domain` of `domain_count`.

    Such a request, and one for exclusive nodes, need not name cores.
    """

    __slots__ = ()

    @property
    def domain(self) -> str | None:
        """The type of which each slot gets whole domains."""
        return self.shape.extra[0] if self.shape.extra else None  # type: ignore[index]

    @property
    def domain_count(self) -> int:
        """How many of them a slot gets, all on one node."""
        return self.shape.extra[1] if self.shape.extra else 0  # type: ignore[index]

    @classmethod
    def _may_lack_cores(cls, found: Walk) -> bool:
        return found.exclusive or bool(found.exclusive_others)

    @classmethod
    def _extra_of(cls, found: Walk) -> Hashable:
        if not found.exclusive_others:
            return None
        first, *others = found.exclusive_others
        if others:
            raise DocumentError(others[0].path, "more than one exclusive domain is not supported")
        if found.exclusive:
            raise DocumentError(first.path, "an exclusive domain of an exclusive node is not supported")
        if not first.in_slot:
            raise DocumentError(first.path, "an exclusive domain must be in the slot")
        return (first.kind, first.least)


class TreeMachine(Machine):
    """A machine whose nodes have localities."""

    __slots__ = ("children", "topology")

    def __init__(self, whole: Rv1Set) -> None:
        super().__init__(whole)
        children = (whole.scheduling or {}).get("children")
        if not isinstance(children, list):
            raise DocumentError("scheduling.children", "expected a list")
        self.children: list[tuple[IDset, dict[str, Any]]] = []
        self.topology: dict[int, Topology] = {}
        for number, child in enumerate(children):
            path = f"scheduling.children[{number}]"
            if not isinstance(child, dict) or not isinstance(child.get("ranks"), str):
                raise DocumentError(path, "expected an object with ranks, an idset string")
            try:
                ranks = IDset(child["ranks"])
            except ParseError as error:
                raise DocumentError(f"{path}.ranks", str(error)) from error
            strangers = ranks - whole.ranks
            if strangers:
                raise DocumentError(f"{path}.ranks", f"ranks {str(strangers)[:80]} are not in R_lite")
            topology = Topology(child.get("topo"), f"{path}.topo")
            for rank in ranks:
                if self.topology.setdefault(self.index[rank], topology) is not topology:
                    raise DocumentError(f"{path}.ranks", f"rank {rank} is in another entry too")
            self.children.append((ranks, child))
        if len(self.topology) < len(self.ranks):
            missing = IDset([rank for rank in self.ranks if self.index[rank] not in self.topology])
            raise DocumentError("scheduling.children", f"ranks {str(missing)[:80]} have no topology")

    def scheduling_on(self, mask: int) -> dict[str, Any] | None:
        """The entries of these ranks, each with those of its ranks that are among them."""
        ranks = self.rank_set(mask)
        kept = [{**child, "ranks": str(both)} for own, child in self.children if (both := own & ranks)]
        return {**(self.whole.scheduling or {}), "children": kept}


class TreeDemand(Demand):
    """A demand, and the whole domains that each node (without nodes: each slot) must give."""

    __slots__ = ("domain", "domains", "free_at_least")

    domain: str
    domains: int
    free_at_least: Node  # of a candidate

    def _lack(self, machine: Machine, eligible: int) -> str | None:
        shape = self.shape
        extra = cast("tuple[str, int] | None", shape.extra)
        self.free_at_least = (shape.slot_size, shape.gpu_per_slot)
        self.domain, each = extra or ("", 0)
        self.domains = each * (shape.slot_count.min if self.nodes else 1)
        if each:
            return self._lack_of_domains(cast("TreeMachine", machine), eligible, each)
        return super()._lack(machine, eligible)

    def _lack_of_domains(self, machine: TreeMachine, eligible: int, each: int) -> str | None:
        # Nodes that are built alike and have the same are counted together.
        alike: dict[tuple[int, Node], int] = {}
        fits = {}
        for i in ascending(eligible):
            topology, full = machine.topology[i], machine.full[i]
            key = (id(topology), full)
            if key not in fits:
                fits[key] = len(topology.unused(self.domain, full, full, *self.free_at_least))
            alike[key] = alike.get(key, 0) + 1
        if self.nodes:
            found = sum(n for key, n in alike.items() if fits[key] >= self.domains)
            if found < self.least:
                return (
                    f"unsatisfiable request: need {self.least} node(s) with {self.domains} exclusive {self.domain!r} "
                    f"container(s) each, only {found} eligible"
                )
            return None
        found = sum(fits[key] // each * each * n for key, n in alike.items())
        if found < self.least * each:
            return f"unsatisfiable request: need {self.least * each} exclusive {self.domain!r} container(s), only {found} available"
        return None


class TreePool(Rv1Pool):
    """The pure-Python pool that knows localities (RFC 49): a slot's cores and GPUs come from one domain where that is possible.

    The topology is R's `scheduling.children`, which must cover exactly the ranks. Nodes with the fewest free cores go first, then
    the fewest free GPUs, then the lowest rank; in a node the innermost domains. An exclusive vertex in the slot (`numa{x}`)
    gives each slot a domain of its own.

    Raises DocumentError (a ValueError) where the topology is missing or wrong. Promises are planned on copies.
    """

    name = "tree"
    request_class: ClassVar[type[ResourceRequest]] = TreeRequest

    _plans_amounts = False
    _machine: TreeMachine

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls._by_candidates:
            raise TypeError(f"{cls.__name__}: a TreePool places by domains; override _choose, not the candidates")

    def _make_machine(self, whole: Rv1Set) -> Machine:
        return TreeMachine(whole)

    def _compile(self, shape: Shape) -> Demand:
        return TreeDemand(shape, self._machine, self._present)

    def _choose(self, demand: Demand, eligible: int | None, caps: Caps | None) -> tuple[list[Part], int]:
        if demand.exclusive:
            return whole_nodes(self._ledger, demand, eligible, caps, smallest_first=True)
        demand = cast("TreeDemand", demand)
        ledger, machine = self._ledger, self._machine
        cores_of_one, gpus_of_one = demand.free_at_least
        most: float = math.inf if demand.most is None else demand.most
        chosen: list[tuple[int, Node]] = []
        granted = 0
        memo: dict[tuple[int, Node, Node, int], tuple[Node, int]] = {}
        for key in ledger.order:
            have, have_gpus = divmod(key, machine.stride)
            if have < cores_of_one or have_gpus < gpus_of_one:
                continue
            ranks = ledger.levels[key] if eligible is None else ledger.levels[key] & eligible
            for i in ascending(ranks):
                # No more slots than cores and GPUs: each has at least one of them.
                limit = int(min(most - granted, 1 if demand.nodes else have + have_gpus))
                free = ledger.free_on(i)
                if caps and i in caps:
                    free = (_at_most(free[0], caps[i][0]), _at_most(free[1], caps[i][1]))
                alike = (id(machine.topology[i]), machine.full[i], free, limit)
                found = memo.get(alike)
                if found is None:
                    found = memo[alike] = _fill(machine.topology[i], machine.full[i], free, demand, limit)
                if found[1]:
                    chosen.append((i, found[0]))
                    granted += found[1]
                    if granted >= most:
                        break
            if granted >= most:
                break
        surplus = granted % demand.step
        del chosen[len(chosen) - surplus :]
        content: dict[Node, list[int]] = {}
        for i, node in chosen:
            content.setdefault(node, []).append(i)
        return [(mask_of(at), cores, gpus, len(at)) for (cores, gpus), at in content.items()], granted - surplus


def _at_most(mask: int, count: int) -> int:
    return mask if mask.bit_count() <= count else lowest(mask, count)


def _fill(topology: Topology, full: Node, free: Node, demand: TreeDemand, limit: int) -> tuple[Node, int]:
    """What a node gives, and how many nodes (1 or 0) or slots (up to `limit`) that is."""
    size, gpus = demand.free_at_least
    if demand.domains:
        unused = topology.unused(demand.domain, full, free, size, gpus)
        granted = min(limit, len(unused) // demand.domains)
        cores = those = 0
        for domain in unused[: granted * demand.domains]:
            cores |= domain[0]
            those |= domain[1]
        return (cores, those), granted
    each = demand.cores // size  # slots that are granted together
    fit = free[0].bit_count() // demand.cores
    if gpus:
        fit = min(fit, free[1].bit_count() // demand.gpus)
    granted = min(limit, fit)
    return topology.place(free, granted * each, size, gpus), granted


#: What `module` without a class stands for, where pools are named so.
pool_class = TreePool
