"""What a pool hands out: a resource set that costs nothing until somebody reads it.

An `Allocation` keeps the pieces that were taken, as masks, and becomes nodes, host names and properties when one of those is asked for.
From then on it is an ordinary `Rv1Set`. The pool keeps the pieces for itself, so what is done to the set does not change the accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.resource.bits import members
from fluxplug.resource.rset import Rv1Set
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.resource.document import Node
    from fluxplug_pool_rv1.machine import Machine, Part

# Left unset by the constructor; asking for one fills them in.
_LAZY = frozenset({"nodes", "hosts", "property_ranks", "scheduling"})


class Allocation(Rv1Set):
    """The R of a job: `parts` of `machine`, no rank in two of them. `expiration` and `starttime` are 0 until the caller sets them."""

    __slots__ = ("_machine", "_parts")

    def __init__(self, machine: Machine, parts: Sequence[Part], nslots: int) -> None:
        self._machine = machine
        self._parts: Sequence[Part] | None = parts
        self.expiration = self.starttime = 0.0
        self.nslots = nslots
        self.named = True
        self.state = None

    def __getattr__(self, name: str) -> Any:
        # Reached for attributes that are unset, that is, once.
        if name not in _LAZY or self._parts is None:
            raise AttributeError(name)
        if name == "scheduling":
            mask = 0
            for ranks, *_ in self._parts:
                mask |= ranks
            self.scheduling = self._machine.scheduling_on(mask)
        else:
            nodes: dict[int, Node] = {}
            for ranks, cores, gpus, _ in self._parts:
                nodes.update(dict.fromkeys(members(ranks), (cores, gpus)))
            found = self._machine.resource_set(nodes, instance_local=False)
            self.nodes, self.hosts, self.property_ranks = found.nodes, found.hosts, found.property_ranks
        return getattr(self, name)

    def parts_in(self, machine: Machine) -> Sequence[Part] | None:
        """The pieces, if they are of this machine and nobody has changed the set since; else None."""
        return self._parts if self._machine is machine else None

    def _changed(self) -> None:
        _ = self.scheduling  # what it covers is known from the pieces alone
        self._parts = None

    @property
    def ranks(self) -> IDset:
        """The ranks."""
        if self._parts is None:
            return IDset(self.nodes)
        mask = 0
        for ranks, *_ in self._parts:
            mask |= ranks
        return self._machine.rank_set(mask)

    @property
    def nnodes(self) -> int:
        """The number of ranks."""
        return len(self.nodes) if self._parts is None else sum(count for *_, count in self._parts)

    @property
    def ncores(self) -> int:
        """The number of cores."""
        if self._parts is None:
            return super().ncores
        return sum(cores.bit_count() * count for _, cores, _, count in self._parts)

    @property
    def ngpus(self) -> int:
        """The number of GPUs."""
        if self._parts is None:
            return super().ngpus
        return sum(gpus.bit_count() * count for _, _, gpus, count in self._parts)
