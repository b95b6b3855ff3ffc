"""The localities of a node (RFC 49): sockets, NUMA domains and the like, as nested sets of its cores and GPUs, and slots placed in them.

A `Topology` is one entry of TreePool's `scheduling.children`; nodes that are built alike share one. Not here: which node is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.errors import DocumentError, ParseError
from fluxplug.resource.bits import lowest
from fluxplug.resource.document import MAX_IDS
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from fluxplug.resource.document import Node

#: The deepest nesting of localities that is read.
MAX_DEPTH = 32
_RESOURCES = frozenset({"cores", "gpus", "memory", "storage"})


class Topology:
    """The localities of a node, read from a `topo` object. Raises DocumentError with the path of what is wrong.

    levels[0] has the innermost domains, each as (cores, GPUs), in the order listed; the whole node, which comes after the last level,
    is not in it. `named` has the domains of each type. Ids of a domain that none of its nested domains has form one more domain
    beside these.
    """

    __slots__ = ("levels", "named")

    def __init__(self, topo: Any, path: str) -> None:
        self.levels: list[list[Node]] = []
        self.named: dict[str, list[Node]] = {}
        self._read(topo, path, 0)

    def _read(self, topo: Any, path: str, depth: int) -> tuple[Node, int]:
        """What a domain has, nested ones included, and the level at which it is: 0 where nothing is nested."""
        if depth > MAX_DEPTH:
            raise DocumentError(path, f"nested more than {MAX_DEPTH} deep")
        if not isinstance(topo, dict):
            raise DocumentError(path, "expected an object")
        own = (_read_mask(topo.get("cores", ""), f"{path}.cores"), _read_mask(topo.get("gpus", ""), f"{path}.gpus"))
        nested = (0, 0)
        level = -1
        for kind, domains in topo.items():
            if kind in _RESOURCES:
                continue
            if not isinstance(domains, list):
                raise DocumentError(f"{path}.{str(kind)[:80]}", "expected a list of domains")
            for number, domain in enumerate(domains):
                where = f"{path}.{str(kind)[:80]}[{number}]"
                node, height = self._read(domain, where, depth + 1)
                if node[0] & nested[0] or node[1] & nested[1]:
                    raise DocumentError(where, "its cores and GPUs are in another domain too")
                nested = (nested[0] | node[0], nested[1] | node[1])
                level = max(level, height)
                self.named.setdefault(kind, []).append(node)
                self._enter(height, node)
        rest = (own[0] & ~nested[0], own[1] & ~nested[1])
        if level >= 0 and any(rest):
            self._enter(level, rest)
        return (own[0] | nested[0], own[1] | nested[1]), level + 1

    def _enter(self, level: int, node: Node) -> None:
        while len(self.levels) <= level:
            self.levels.append([])
        self.levels[level].append(node)

    def place(self, free: Node, slots: int, size: int, gpus: int) -> Node:
        """The cores and GPUs for so many slots, which fit on the node; `free` is what may be used. Lowest ids first in a domain.

        Slots with GPUs take the domains of a level in the order listed, others those with the fewest free cores first; what does
        not fit in the domains of a level goes to the next outer one.
        """
        cores_left, gpus_left = free
        for level in self.levels:
            found = [(cores & cores_left, those & gpus_left) for cores, those in level]
            if not gpus:
                found.sort(key=lambda domain: domain[0].bit_count())
            for cores, those in found:
                fit = min(slots, cores.bit_count() // size)
                if gpus:
                    fit = min(fit, those.bit_count() // gpus)
                if fit:
                    cores_left ^= lowest(cores, fit * size)
                    gpus_left ^= lowest(those, fit * gpus)
                    slots -= fit
            if not slots:
                break
        cores_left ^= lowest(cores_left, slots * size)
        gpus_left ^= lowest(gpus_left, slots * gpus)
        return free[0] ^ cores_left, free[1] ^ gpus_left

    def unused(self, kind: str, full: Node, free: Node, size: int, gpus: int) -> list[Node]:
        """The domains of a type, in the order listed, that are all free on a node that has `full` and could hold one slot."""
        found = []
        for cores, those in self.named.get(kind, ()):
            node = (cores & full[0], those & full[1])
            if not any(node) or node[0] & ~free[0] or node[1] & ~free[1]:
                continue
            if node[0].bit_count() >= size and node[1].bit_count() >= gpus:
                found.append(node)
        return found


def _read_mask(text: Any, path: str) -> int:
    if not isinstance(text, str):
        raise DocumentError(path, "expected an idset string")
    try:
        ids = IDset(text)
    except ParseError as error:
        raise DocumentError(path, str(error)) from error
    if ids and ids.last() >= MAX_IDS:
        raise DocumentError(path, f"the id of a core or GPU must be below {MAX_IDS}")
    return ids.mask()
