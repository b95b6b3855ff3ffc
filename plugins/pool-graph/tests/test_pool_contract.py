"""The graph pool keeps the pool contract, under each kind of policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.pool import GraphPool
from fluxplug_pool_graph.readers import read

from fluxplug.testing.contracts import PoolContract

if TYPE_CHECKING:
    from fluxplug.clock import Clock


def with_sockets(R: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
    """The R with a graph that has the nodes in racks of two, and what is in a node in two sockets by turns."""
    plain = read("rv1exec", json.dumps(R))
    made = Description([plain.vertices[0]], [], ["cluster", "rack", "node", "socket", "core", "gpu"])
    children: dict[int, list[int]] = {}
    for edge in plain.edges:
        children.setdefault(edge.source, []).append(edge.target)

    def add(vertex: Vertex, parent: int) -> int:
        vertex.paths = {CONTAINMENT: f"{made.vertices[parent].paths[CONTAINMENT]}/{vertex.name}"}
        vertex.uniq_id = len(made.vertices)
        made.vertices.append(vertex)
        made.edges.append(Edge(parent, vertex.uniq_id))
        return vertex.uniq_id

    rack = 0
    for number, node in enumerate(children.get(0, ())):
        if number % 2 == 0:
            rack = add(Vertex("rack", "rack", f"rack{number // 2}", number // 2, 0), 0)
        rank = plain.vertices[node].rank
        below = add(plain.vertices[node], rack)
        sockets = [add(Vertex("socket", "socket", f"socket{i}", i, 0, rank), below) for i in range(2)]
        for place, child in enumerate(children.get(node, ())):
            add(plain.vertices[child], sockets[place % 2])
    graph = json.loads(Graph.from_description(made).write_jgf())
    return {**R, "scheduling": graph}


class GraphContract(PoolContract):
    """One match policy."""

    exact = False
    policy = "first"

    def make_pool(self, R: dict[str, Any], clock: Clock) -> GraphPool:  # noqa: N803
        return GraphPool(R, clock=clock, match_policy=self.policy)


class TestFirst(GraphContract):
    pass


class TestSockets(GraphContract):
    """Levels that no jobspec names lie between nodes and cores, and above nodes."""

    interchangeable = None

    def make_pool(self, R: dict[str, Any], clock: Clock) -> GraphPool:  # noqa: N803
        return GraphPool(with_sockets(R), clock=clock, match_policy=self.policy)


class TestSocketsLow(TestSockets):
    policy = "lonode"


class TestSocketsExact(TestSockets):
    """The whole walk, which other orders need."""

    policy = "locality"


class TestLow(GraphContract):
    policy = "low"
    examples = 15


class TestHinode(GraphContract):
    policy = "hinode"
    examples = 15


class TestLocality(GraphContract):
    policy = "locality"
    examples = 15


class TestVariation(GraphContract):
    policy = "variation"
    examples = 15
