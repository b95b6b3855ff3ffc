"""Who has what of a machine, as a picture needs it: the containment tree, and for each of its leaves how much is taken.

Made of a description and what jobs are said to hold (`Use.add`), or of a matcher (`Use.of`). Nothing is planned here, and a mistake in
a document is an error, not a guess.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug.errors import DocumentError
from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.expression import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug_pool_graph.description import Description, Vertex
    from fluxplug_pool_graph.documents import Holding
    from fluxplug_pool_graph.matcher import Matcher


@define
class Amounts:
    """How much of something there is, and is taken; what is down counts as nothing else."""

    total: int = 0
    allocated: int = 0
    reserved: int = 0
    down: int = 0

    @property
    def free(self) -> int:
        """What is left."""
        return self.total - self.allocated - self.reserved - self.down

    def add(self, other: Amounts) -> None:
        """Add up."""
        self.total += other.total
        self.allocated += other.allocated
        self.reserved += other.reserved
        self.down += other.down


@define
class Use:
    """A machine and what is taken of it.

    `parent` has -1 for roots and -2 for what is outside of the containment tree; `order` has the tree, parents first, siblings in the order
    of their edges; `depth` is 0 for roots. `allocated` and `reserved` have amounts by leaf, `highlighted` the leaves to point out.

    Raises DocumentError where there is no tree. Linear.
    """

    machine: Description
    parent: list[int] = field(init=False)
    children: list[list[int]] = field(init=False)
    order: list[int] = field(init=False, factory=list)
    depth: list[int] = field(init=False)
    allocated: dict[int, int] = field(init=False, factory=dict)
    reserved: dict[int, int] = field(init=False, factory=dict)
    highlighted: set[int] = field(init=False, factory=set)
    _down: list[bool] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Find the tree: of several containment edges to a vertex the first counts."""
        count = len(self.machine.vertices)
        self.parent = [-2] * count
        self.children = [[] for _ in range(count)]
        self.depth = [0] * count
        above = [-1] * count
        for edge in self.machine.edges:
            if edge.subsystem == CONTAINMENT and edge.source != edge.target and above[edge.target] < 0:
                above[edge.target] = edge.source
                self.children[edge.source].append(edge.target)
        roots = [v for v, vertex in enumerate(self.machine.vertices) if above[v] < 0 and CONTAINMENT in vertex.paths]
        if not roots:
            raise DocumentError("graph", "there is no containment tree to draw")
        self._down = [not vertex.up for vertex in self.machine.vertices]
        todo = list(reversed(roots))
        while todo:
            v = todo.pop()
            self.order.append(v)
            self.parent[v] = above[v]
            if above[v] >= 0:
                self.depth[v] = self.depth[above[v]] + 1
                self._down[v] |= self._down[above[v]]
            todo += reversed(self.children[v])

    @classmethod
    def of(cls, matcher: Matcher) -> Use:
        """What a matcher's jobs have now, and are promised at any time; leaves that they share count as a whole."""
        use = cls(matcher.description)
        for criteria, amounts in (("sched-now=allocated", use.allocated), ("sched-future=reserved", use.reserved)):
            for taken in matcher.find(parse_expression(criteria)):
                if use.parent[taken.vertex] != -2 and not use.children[taken.vertex]:
                    amounts[taken.vertex] = use.machine.vertices[taken.vertex].size
        return use

    def add(self, held: Holding, *, reserved: bool = False, highlight: bool = False) -> None:
        """Enter what a document says that a job holds.

        Of an R that is the children that it lists, or all of a node for which it lists none; of a graph the leaves that it lists, and all that
        is below a vertex that it has exclusively. What is to be highlighted may have been entered before. Raises DocumentError, and enters nothing, where the machine has no such vertex.
        """
        taken = self._of_r(held.description) if held.form.startswith("rv1exec") else self._of_graph(held.description)
        amounts = self.reserved if reserved else self.allocated
        for leaf, amount in taken.items():
            if not (highlight and (leaf in self.allocated or leaf in self.reserved)):
                amounts[leaf] = amounts.get(leaf, 0) + amount
        if highlight:
            self.highlighted |= taken.keys()

    def amounts(self, leaf: int) -> Amounts:
        """Of one leaf. What is allocated is not reserved as well."""
        size = self.machine.vertices[leaf].size
        if self._down[leaf]:
            return Amounts(size, down=size)
        allocated = min(size, self.allocated.get(leaf, 0))
        return Amounts(size, allocated, min(size - allocated, self.reserved.get(leaf, 0)))

    def totals(self) -> dict[str, Amounts]:
        """Of all leaves of the tree, by type."""
        found: dict[str, Amounts] = {}
        for v in self.order:
            if not self.children[v]:
                found.setdefault(self.machine.vertices[v].type, Amounts()).add(self.amounts(v))
        return found

    def leaves(self, v: int) -> Iterator[int]:
        """The leaves at or below a vertex, in order."""
        todo = [v]
        while todo:
            v = todo.pop()
            if not self.children[v]:
                yield v
            todo += reversed(self.children[v])

    def _of_graph(self, document: Description) -> dict[int, int]:
        taken: dict[int, int] = {}
        for vertex in document.vertices:
            if vertex.rank >= 0 and vertex.rank in document.free_ranks:
                continue
            path = vertex.paths.get(CONTAINMENT)
            if path is None:
                continue  # of another subsystem alone, which is not drawn
            v = self._by_path.get(path)
            if v is None:
                raise DocumentError(f"vertex {path[:200]!r}", "the machine has no vertex with this path")
            if vertex.exclusive:
                taken |= {leaf: self.machine.vertices[leaf].size for leaf in self.leaves(v)}
            elif not self.children[v]:
                taken.setdefault(v, vertex.size)
        return taken

    def _of_r(self, document: Description) -> dict[int, int]:
        below: dict[int, list[Vertex]] = {}
        for edge in document.edges:
            if edge.source:  # the first vertex is the cluster, which R does not have
                below.setdefault(edge.source, []).append(document.vertices[edge.target])
        taken: dict[int, int] = {}
        for k, node in enumerate(document.vertices):
            if node.type != "node":
                continue
            mine = self._node_of(node)
            for child in below.get(k, ()):
                found = self._below_nodes.get((mine, child.type, child.id))
                if found is None:
                    place = f"rank {node.rank} ({node.name})"
                    raise DocumentError(place, f"the machine has no {child.type} {child.id} there")
                taken |= {leaf: self.machine.vertices[leaf].size for leaf in self.leaves(found)}
            if k not in below:
                taken |= {leaf: self.machine.vertices[leaf].size for leaf in self.leaves(mine)}
        return taken

    def _node_of(self, node: Vertex) -> int:
        """The machine's node of this rank, or where its nodes have no ranks, of this name."""
        found = self._nodes.get(node.rank, self._nodes.get(node.name) if not self._ranked else None)
        if found is None:
            raise DocumentError(f"rank {node.rank} ({node.name})", "the machine has no such node")
        return found

    @cached_property
    def _by_path(self) -> dict[str, int]:
        return {self.machine.vertices[v].paths.get(CONTAINMENT, ""): v for v in reversed(self.order)}

    @cached_property
    def _nodes(self) -> dict[int | str, int]:
        """Nodes by rank and by name."""
        found: dict[int | str, int] = {}
        for v in self.order:
            vertex = self.machine.vertices[v]
            if vertex.type == "node":
                found.setdefault(vertex.name, v)
                if vertex.rank >= 0:
                    found.setdefault(vertex.rank, v)
        return found

    @property
    def _ranked(self) -> bool:
        return any(isinstance(key, int) for key in self._nodes)

    @cached_property
    def _below_nodes(self) -> dict[tuple[int, str, int], int]:
        """What is in a node, by the node, its type and its id."""
        found: dict[tuple[int, str, int], int] = {}
        node_of: dict[int, int] = {}
        for v in self.order:
            vertex = self.machine.vertices[v]
            if vertex.type == "node":
                node_of[v] = v
            elif (node := node_of.get(self.parent[v])) is not None:
                node_of[v] = node
                found.setdefault((node, vertex.type, vertex.id), v)
        return found
