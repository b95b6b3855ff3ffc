"""What a graph pool gives a job: an R (version 1) that costs nothing until somebody reads it.

It keeps ranges of cores and GPUs by rank, and becomes nodes, host names, properties and the graph of the allocation (`scheduling`, RFC 40) when one of those is
asked for. From then on it is an ordinary `Rv1Set`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.resource.bits import members
from fluxplug.resource.rset import Rv1Set
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.core import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fluxplug.resource.document import Node
    from fluxplug_pool_graph.pool.machine import Machine

# Left unset by the constructor; asking for one fills them in.
_LAZY = frozenset({"nodes", "hosts", "property_ranks", "scheduling"})
# The same for what every R of a pool begins with: an allocation is made in less than ten microseconds.
_PLAIN: dict[str, Any] = {"expiration": 0.0, "starttime": 0.0, "nslots": 0, "named": True, "state": None}


class GraphAllocation(Rv1Set):
    """The R of a job. `packed` is as of MatchCore.packed_units; `graph` makes the value of `scheduling`."""

    __slots__ = ("_graph", "_machine", "_packed")

    def __init__(
        self, machine: Machine, packed: bytes, graph: Callable[[], dict[str, Any] | None] | None = None
    ) -> None:
        self._machine, self._graph = machine, graph
        self._packed: bytes | None = packed

    def __getattr__(self, name: str) -> Any:
        # Reached for attributes that are unset, that is, once.
        if name in _PLAIN:
            setattr(self, name, _PLAIN[name])
            return _PLAIN[name]
        if name not in _LAZY or self._packed is None:
            raise AttributeError(name)
        if name == "scheduling":
            self.scheduling = self._graph() if self._graph is not None else None
        else:
            found = self._machine.resource_set(nodes_of(unpacked(self._packed)))
            self.nodes, self.hosts, self.property_ranks = found.nodes, found.hosts, found.property_ranks
        return getattr(self, name)

    @property
    def packed(self) -> bytes | None:
        """The ranges that the set was made of, while nobody has changed it."""
        return self._packed

    def _changed(self) -> None:
        _ = self.scheduling
        self._packed = None

    @property
    def ranks(self) -> IDset:
        """The ranks."""
        return IDset(self.nodes) if self._packed is None else IDset(unpacked(self._packed)[::4])

    @property
    def ncores(self) -> int:
        """The number of cores."""
        return super().ncores if self._packed is None else _amount(unpacked(self._packed), 0)

    @property
    def ngpus(self) -> int:
        """The number of GPUs."""
        return super().ngpus if self._packed is None else _amount(unpacked(self._packed), 1)


def _amount(units: Sequence[int], kind: int) -> int:
    return sum(units[i + 3] - units[i + 2] + 1 for i in range(0, len(units), 4) if units[i + 1] == kind)


def nodes_of(units: Sequence[int]) -> dict[int, Node]:
    """Units as masks of cores and GPUs by rank."""
    nodes: dict[int, Node] = {}
    for i in range(0, len(units), 4):
        rank, kind, low, high = units[i : i + 4]
        mask = (1 << high + 1) - (1 << low)
        cores, gpus = nodes.get(rank, (0, 0))
        nodes[rank] = (cores, gpus | mask) if kind else (cores | mask, gpus)
    return nodes


def units_of(nodes: dict[int, Node]) -> list[int]:
    """The reverse: ranges, ascending by rank, kind and id."""
    units: list[int] = []
    for rank in sorted(nodes):
        for kind, mask in enumerate(nodes[rank]):
            begin = last = -2
            for number in members(mask):
                if number != last + 1:
                    if last >= 0:
                        units += (rank, kind, begin, last)
                    begin = number
                last = number
            if last >= 0:
                units += (rank, kind, begin, last)
    return units
