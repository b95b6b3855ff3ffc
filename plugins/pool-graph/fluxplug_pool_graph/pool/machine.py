"""The machine of a graph pool: the graph that a site configured, or that of an R, and what R says of it.

Not here: matching, and who holds what.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ConfigError, DocumentError
from fluxplug.resource.document import read_json
from fluxplug.resource.rset import ResourceSet, Rv1Set
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.documents import guess_format
from fluxplug_pool_graph.pool.allocation import nodes_of
from fluxplug_pool_graph.readers import GraphReadError, read
from fluxplug_pool_graph.tables import GraphDocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fluxplug.resource.document import Node
    from fluxplug.resource.rset import RLike
    from fluxplug_pool_graph.description import Description


class Machine:
    """What R says of a graph: hosts and properties by rank, and all cores and GPUs. Made once; copies of a pool share it.

    `places` has the node vertex of each rank in the graph, `down` the ranks that the document says are down. `expiration` and
    `starttime` are those of the R, 0 where there is none.
    """

    def __init__(self, graph: Graph, *, expiration: float = 0.0, starttime: float = 0.0) -> None:
        """Raises DocumentError where two nodes have one rank, or none has a rank. Linear in the nodes."""
        self.graph = graph
        self.expiration, self.starttime = expiration, starttime
        self.places: dict[int, int] = {}
        self.hosts: dict[int, str] = {}
        self.properties: dict[str, IDset] = {}
        self._named: dict[str, IDset] = {}  # as constraints name them: by key alone too
        self.down: set[int] = set()
        self.nodes: dict[int, Node] = {}
        self._single: dict[str, bool] = {}
        for place in graph.by_type("node"):
            vertex = graph.vertex(place)
            if vertex.rank < 0:
                continue
            if vertex.rank in self.places:
                raise DocumentError(
                    "graph", f"nodes {self.hosts[vertex.rank]} and {vertex.name} have both rank {vertex.rank}"
                )
            self.places[vertex.rank] = place
            self.hosts[vertex.rank] = vertex.name
            for key, value in vertex.properties.items():
                self.properties.setdefault(f"{key}={value}" if value else key, IDset()).add(vertex.rank)
                for name in {key, f"{key}={value}"}:
                    self._named.setdefault(name, IDset()).add(vertex.rank)
            if not vertex.up:
                self.down.add(vertex.rank)
        if not self.places:
            raise DocumentError("graph", "no vertex of type node has a rank: there is nothing that jobs could run on")

    def inventory(self, units: Sequence[int]) -> None:
        """Take note of all cores and GPUs."""
        there = nodes_of(units)
        self.nodes = {rank: there.get(rank, (0, 0)) for rank in sorted(self.places)}

    def amount(self, kind: str) -> int:
        """How much there is of a type, in units of its size."""
        return self.graph.total(kind)

    def holds(self, kind: str) -> bool:
        """Whether vertices of a type have something below them; the first one tells."""
        return any(self.graph.place(place).below for place in self.graph.by_type(kind)[:1])

    def is_single(self, kind: str) -> bool:
        """Whether vertices of a type have a size of 1 and nothing below them. O(vertices of the type), once."""
        known = self._single.get(kind)
        if known is None:
            known = self._single[kind] = self.graph.is_tree and self.graph.is_single(kind)
        return known

    def satisfying(self, constraint: Any) -> set[int]:
        """The ranks that satisfy an RFC 31 constraint, given as an object."""
        whole = self.resource_set(self.nodes)
        whole.property_ranks = self._named
        return set(whole.copy_constraint(constraint).nodes)

    def resource_set(self, nodes: dict[int, Node]) -> Rv1Set:
        """A set of some of it, with host names and properties, without times."""
        new = Rv1Set()
        ranks = IDset(nodes)
        new.nodes = {rank: nodes[rank] for rank in sorted(nodes)}
        new.hosts = {rank: self.hosts[rank] for rank in new.nodes if rank in self.hosts}
        new.named = True
        new.property_ranks = {name: kept for name, ids in sorted(self.properties.items()) if (kept := ids & ranks)}
        return new


def from_file(path: str | Path, form: str) -> Graph:
    """The graph in a file; without a `form` it is told from the text. Raises ConfigError that names the file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        if not form:
            form = guess_format(data[:4096].decode("utf-8", errors="replace") if data[:1] == b"<" else data.decode())
        if form == "jgf":
            return _ranked(Graph.from_jgf(data))
        return _ranked(read(form, data.decode()))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except (GraphReadError, GraphDocumentError) as error:
        raise ConfigError(f"{path}: {error}") from None


def from_r(source: RLike) -> tuple[Graph, Rv1Set]:
    """The graph of an R: that in its `scheduling` where there is one, else its nodes with their cores and GPUs. Also the R as a set.

    Raises DocumentError, ParseError, GraphReadError.
    """
    if isinstance(source, ResourceSet):
        source = source.impl
    document: Mapping[str, Any]
    if isinstance(source, str):
        document = read_json(source)
    elif isinstance(source, Rv1Set):
        document = source.to_dict()
    else:
        document = source
    whole = Rv1Set(document, keep_scheduling=True)
    scheduling = whole.scheduling
    if isinstance(scheduling, dict) and "graph" in scheduling:
        graph = _ranked(Graph.from_jgf(json.dumps(scheduling)))
        places = {graph.vertex(place).rank: place for place in graph.by_type("node")}
        for name, ranks in whole.property_ranks.items():  # those of queues, which the graph does not know
            key, _, value = name.partition("=")
            for rank in ranks:
                if rank in places:
                    graph.set_property(places[rank], key, value)
        return graph, whole
    return Graph.from_description(read("rv1exec", json.dumps(_plain(whole)))), whole


def _plain(whole: Rv1Set) -> dict[str, Any]:
    """An R document with a host for every rank, which the reader of graphs needs."""
    document = dict(whole.to_dict())
    execution = dict(document["execution"])
    if len(whole.nodelist) < whole.nnodes:
        execution["nodelist"] = [",".join(whole.hosts.get(rank) or f"rank{rank}" for rank in sorted(whole.nodes))]
    return {"version": 1, "execution": execution}


def _ranked(source: Graph | Description) -> Graph:
    """A graph whose nodes have ranks, with all that is below them: what a recipe leaves out is made up, nodes get 0, 1, ... in their order."""
    if isinstance(source, Graph):
        if _has_ranks(source):
            return source
        source = source.describe()
    vertices = source.vertices
    children: dict[int, list[int]] = {}
    for edge in source.edges:
        if edge.subsystem == CONTAINMENT:
            children.setdefault(edge.source, []).append(edge.target)
    nodes = [v for v, vertex in enumerate(vertices) if vertex.type == "node"]
    known = any(vertices[v].rank >= 0 for v in nodes)
    for place, node in enumerate(nodes):
        rank = vertices[node].rank if known else place
        todo = [node] if rank >= 0 else []
        while todo:
            v = todo.pop()
            if v == node or vertices[v].rank < 0:
                vertices[v].rank = rank
                todo += children.get(v, ())
    return Graph.from_description(source)


def _has_ranks(graph: Graph) -> bool:
    """Whether nodes, cores and GPUs have ranks; the first and the last of each tell."""
    found = [graph.by_type(kind) for kind in ("node", "core", "gpu")]
    return all(graph.vertex(place).rank >= 0 for places in found for place in places[:1] + places[-1:])
