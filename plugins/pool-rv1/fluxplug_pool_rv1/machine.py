"""What a pool's machine has: ranks in a dense numbering, what each has in all, and names. It never says who holds what.

A `Machine` is shared by a pool, its copies and its allocations, and is not changed once made. "Index" is always the place of a rank
in ascending rank order, and sets of ranks are masks of indexes (`fluxplug.resource.bits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from fluxplug.resource.bits import mask_of, members
from fluxplug.resource.rset import Rv1Set, as_rv1set
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxplug.resource.document import Node
    from fluxplug.values.idset import IDsetLike

#: A piece of an allocation: the mask of its ranks, the cores and the GPUs taken on each of them, and how many ranks they are.
Part: TypeAlias = "tuple[int, int, int, int]"


class Machine:
    """The ranks of a resource set, and what each has.

    ranks[i] is the rank with index i. full[i] is its (cores, GPUs) as masks; ranks that have the same share one tuple. kinds gives
    the mask of ranks for each such tuple, and kind_keys their keys from the largest down. A key is a count of cores and of GPUs in
    one number that sorts like the pair: `cores * stride + gpus`.
    """

    __slots__ = ("everything", "full", "index", "kind_keys", "kinds", "kinds_of_key", "ranks", "stride", "whole")

    def __init__(self, whole: Rv1Set) -> None:
        nodes = whole.nodes
        self.whole = whole
        self.ranks: list[int] = sorted(nodes)
        self.index: dict[int, int] = {rank: i for i, rank in enumerate(self.ranks)}
        self.everything = (1 << len(self.ranks)) - 1
        places: dict[Node, list[int]] = {}
        self.full: list[Node] = []
        shared: dict[Node, Node] = {}
        if len(set(map(id, nodes.values()))) == 1:  # one entry of R for all: the common machine
            node = next(iter(nodes.values()))
            self.full = [node] * len(nodes)
            self.kinds = {node: self.everything}
        else:
            for i, rank in enumerate(self.ranks):
                node = nodes[rank]
                self.full.append(shared.setdefault(node, node))
                places.setdefault(node, []).append(i)
            self.kinds = {node: mask_of(indexes) for node, indexes in places.items()}
        self.stride = 1 + max((gpus.bit_count() for _, gpus in self.kinds), default=0)
        self.kinds_of_key: dict[int, list[Node]] = {}
        for node in self.kinds:
            self.kinds_of_key.setdefault(self.key(node), []).append(node)
        self.kind_keys = sorted(self.kinds_of_key, reverse=True)

    def key(self, node: Node) -> int:
        """How much there is in a (cores, GPUs) pair, as one number."""
        return node[0].bit_count() * self.stride + node[1].bit_count()

    def mask(self, ranks: IDsetLike) -> int:
        """The mask of those of `ranks` that are here."""
        ids = IDset(ranks)
        order = self.ranks
        if not order or not ids:
            return 0
        first = order[0]
        if order[-1] - first == len(order) - 1:  # no gaps: runs of ranks are runs of bits
            found = 0
            for low, high in ids.ranges():
                low, high = max(low, first), min(high, order[-1])
                if low <= high:
                    found |= ((1 << (high - low + 1)) - 1) << (low - first)
            return found
        index = self.index
        if ids.count() > len(order):
            return mask_of(i for i, rank in enumerate(order) if rank in ids)
        return mask_of(index[rank] for rank in ids if rank in index)

    def rank_set(self, mask: int) -> IDset:
        """The ranks in a mask."""
        order = self.ranks
        if mask & (mask - 1) == 0:
            return IDset(order[mask.bit_length() - 1]) if mask else IDset()
        if order[0] == 0 and order[-1] == len(order) - 1:  # the index is the rank
            return IDset.from_mask(mask)
        return IDset([order[i] for i in members(mask)])

    def parts_of(self, source: Any) -> tuple[list[Part], IDset]:
        """What a resource set (R in any form) takes here, ranks with equal children together, and its ranks that are not here."""
        found = as_rv1set(source)
        index = self.index
        alike: dict[Node, list[int]] = {}
        strangers = []
        for rank, node in found.nodes.items():
            i = index.get(rank)
            if i is None:
                strangers.append(rank)
            elif node[0] or node[1]:
                alike.setdefault(node, []).append(i)
        parts = [(mask_of(indexes), node[0], node[1], len(indexes)) for node, indexes in alike.items()]
        return parts, IDset(strangers)

    def resource_set(self, nodes: dict[int, Node], *, instance_local: bool = True) -> Rv1Set:
        """A set of these indexes with these (cores, GPUs), and the names and properties that belong to them.

        Without `instance_local`, properties whose name begins with `+` are left out, as in the R of a job (RFC 20).
        """
        order, hosts = self.ranks, self.whole.hosts
        new = Rv1Set()
        new.nodes = {order[i]: node for i, node in nodes.items()}
        new.named = True
        if hosts:
            new.hosts = {rank: hosts[rank] for rank in new.nodes}
        if self.whole.property_ranks:
            new.property_ranks = self.properties_on(IDset(new.nodes), instance_local=instance_local)
        new.scheduling = self.scheduling_on(mask_of(nodes))
        return new

    def properties_on(self, ranks: IDset, *, instance_local: bool) -> dict[str, IDset]:
        """The properties of these ranks."""
        return {
            name: kept
            for name, ids in self.whole.property_ranks.items()
            if (instance_local or not name.startswith("+")) and (kept := ids & ranks)
        }

    def scheduling_on(self, mask: int) -> dict[str, Any] | None:
        """The opaque `scheduling` key of R for an allocation on these ranks: it rides along as it is."""
        del mask
        return self.whole.scheduling


def by_content(parts: Iterable[Part]) -> dict[Node, int]:
    """The same pieces with equal ones as one: (cores, GPUs) to the mask of ranks."""
    found: dict[Node, int] = {}
    for ranks, cores, gpus, _ in parts:
        node = (cores, gpus)
        found[node] = found.get(node, 0) | ranks
    return found
