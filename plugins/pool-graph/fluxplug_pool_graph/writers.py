"""What a matcher took, or a search found, as text in the formats of fluxion.md section 8.

Each call of `write` stands alone, except for what the original carries from one output to the next: that is in `Leftovers`,
which the command keeps for a session (query/imitation.py lists it) and everybody else leaves out.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from fluxplug.errors import FluxplugError, ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import MAX_ID, IDset
from fluxplug_pool_graph.description import CONTAINMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug_pool_graph.description import Description, Vertex
    from fluxplug_pool_graph.matcher import Taken

#: Every format, in the order in which help lists them.
FORMATS = ("simple", "pretty_simple", "jgf", "jgf_shorthand", "rlite", "rv1", "rv1_nosched", "rv1_shorthand")

#: Types that stand for a rank in R, and those that are listed below it.
_HOSTS = ("node", "storage_node")
_LISTED = ("core", "gpu")


class WriterError(FluxplugError):
    """A result that the format cannot say; `code` is the errno that the original reports."""

    def __init__(self, code: int) -> None:
        super().__init__(errno.errorcode[code])
        self.code = code


@frozen
class Result:
    """What is to be written.

    `labels` has the label of a vertex, if any. `start` and `end` are in seconds. `types` numbers the types. Of a `search` nothing is
    left out. In a `search`
    every vertex is shown whole.
    """

    taken: list[Taken]
    description: Description
    types: Mapping[str, int]
    labels: Mapping[int, str] = field(factory=dict)
    subsystem: str = CONTAINMENT
    start: int = 0
    end: int = 0
    search: bool = False


@define
class Leftovers:
    """What one output leaves for the next.

    `nodes` and `edges` of a graph that could not be written (8.7); `shorthand` is set once something was left out (8.4);
    `queue` is that of the last job that had one (8.6); `shift` is by how many levels lines are moved right (12.11).
    """

    nodes: list[dict[str, Any]] = field(factory=list)
    edges: list[dict[str, Any]] = field(factory=list)
    shorthand: bool = False
    queue: str = ""
    shift: int = 0


def write(form: str, result: Result, leftovers: Leftovers | None = None) -> str:
    """The text, "" if there is nothing to say. Raises WriterError, ValueError for an unknown format.

    Linear in the result, but for the sorting of ranks.
    """
    if leftovers is None:
        leftovers = Leftovers()
    if form == "simple":
        return "".join(_lines(result, leftovers, "x", "s"))
    if form == "pretty_simple":
        return "".join(reversed(_lines(result, leftovers, "exclusive", "shared")))
    if form == "rlite":
        rows = _r_lite(result)[0]
        if not rows:
            raise WriterError(errno.EINVAL)
        return json.dumps(rows, ensure_ascii=False) + "\n"
    if form == "rv1_nosched":
        return _rv1(result, leftovers, form)
    if form not in FORMATS:
        raise ValueError(f"unknown format {form!r}; known are {', '.join(FORMATS)}")
    _collect_graph(result, leftovers, shorthand=form.endswith("shorthand"))
    if form.startswith("rv1"):
        return _rv1(result, leftovers, form)
    graph = _graph(leftovers)
    return json.dumps(graph, ensure_ascii=False) + "\n" if graph else ""


def _lines(result: Result, leftovers: Leftovers, exclusive: str, shared: str) -> list[str]:
    lines = []
    for taken in result.taken:
        if taken.shown:
            name = result.description.vertices[taken.vertex].name
            way = exclusive if taken.exclusive else shared
            lines.append(f"      {'---' * (taken.level + leftovers.shift)}{name}[{taken.amount}:{way}]\n")
        else:
            leftovers.shift += 1
    return lines


def _collect_graph(result: Result, leftovers: Leftovers, *, shorthand: bool) -> None:
    vertices = result.description.vertices
    exclusive = {taken.vertex for taken in result.taken if taken.exclusive}
    for taken in result.taken:
        if shorthand and not result.search and taken.parent in exclusive:
            leftovers.shorthand = True
            continue
        vertex = vertices[taken.vertex]
        if taken.shown:
            leftovers.nodes.append({"id": str(vertex.uniq_id), "metadata": _metadata(vertex, taken, result)})
        if taken.parent >= 0:
            edge: dict[str, Any] = {"source": str(vertices[taken.parent].uniq_id), "target": str(vertex.uniq_id)}
            if result.subsystem != CONTAINMENT:
                edge["metadata"] = {"subsystem": result.subsystem}
            leftovers.edges.append(edge)


def _metadata(vertex: Vertex, taken: Taken, result: Result) -> dict[str, Any]:
    data: dict[str, Any] = {"type": vertex.type}
    if vertex.basename != vertex.type:
        data["basename"] = vertex.basename
    if vertex.name != f"{vertex.basename}{vertex.id}":
        data["name"] = vertex.name
    data["id"] = vertex.id
    data["rank"] = vertex.rank
    if vertex.properties:
        data["properties"] = dict(sorted(vertex.properties.items()))
    if vertex.unit:
        data["unit"] = vertex.unit
    if taken.exclusive:
        data["exclusive"] = True
    if taken.amount != 1:
        data["size"] = taken.amount
    data["paths"] = vertex.paths
    if taken.vertex in result.labels:
        data["ephemeral"] = {"label": result.labels[taken.vertex]}
    if taken.counts is not None:
        data["agfilter"] = {kind: f"used:{used}, total:{total}" for kind, (used, total) in sorted(taken.counts.items())}
    return data


def _graph(leftovers: Leftovers) -> dict[str, Any] | None:
    """The graph, which uses up what was collected; None if there is nothing."""
    if not leftovers.nodes and not leftovers.edges:
        return None
    if not leftovers.nodes or not leftovers.edges:
        raise WriterError(errno.ENOENT)
    graph: dict[str, Any] = {"graph": {"nodes": leftovers.nodes, "edges": leftovers.edges}}
    if leftovers.shorthand:
        graph["writer"] = "fluxion:jgf_shorthand"
    leftovers.nodes, leftovers.edges = [], []
    return graph


def _r_lite(result: Result) -> tuple[list[dict[str, Any]], list[tuple[int, Vertex]]]:
    """R_lite, and the hosts in it by rank."""
    groups: dict[str, tuple[list[int], dict[str, str]]] = {}
    hosts: list[tuple[int, Vertex]] = []
    below: dict[str, list[int]] = {}
    for taken in result.taken:
        if not taken.shown:
            continue
        vertex = result.description.vertices[taken.vertex]
        if vertex.type in _LISTED:
            below.setdefault(vertex.type, []).append(vertex.id)
        elif vertex.type in _HOSTS and below:
            if not all(0 <= one <= MAX_ID for ids in ([vertex.rank], *below.values()) for one in ids):
                raise WriterError(errno.EINVAL)
            children = {kind: _idset(below[kind]) for kind in sorted(below, key=result.types.__getitem__)}
            groups.setdefault(json.dumps(children), ([], children))[0].append(vertex.rank)
            hosts.append((vertex.rank, vertex))
            below = {}
    rows = [{"rank": _idset(ranks), "children": children} for _, (ranks, children) in sorted(groups.items())]
    return rows, sorted(hosts, key=lambda host: host[0])


def _rv1(result: Result, leftovers: Leftovers, form: str) -> str:
    rows, hosts = _r_lite(result)
    if not rows:
        return ""
    execution: dict[str, Any] = {"R_lite": rows, "nodelist": [_hostlist(vertex.name for _, vertex in hosts)]}
    properties: dict[str, list[int]] = {}
    for rank, vertex in hosts:
        for key, value in vertex.properties.items():
            properties.setdefault(f"{key}={value}" if value else key, []).append(rank)
    if properties:
        execution["properties"] = {key: _idset(ranks) for key, ranks in sorted(properties.items())}
    execution["starttime"] = result.start
    execution["expiration"] = result.end
    document: dict[str, Any] = {"version": 1, "execution": execution}
    if form != "rv1_nosched":
        graph = _graph(leftovers)
        if graph:
            document["scheduling"] = graph
        if leftovers.queue:
            document["attributes"] = {"system": {"scheduler": {"queue": leftovers.queue}}}
    return json.dumps(document, ensure_ascii=False) + "\n"


def _idset(ids: Iterable[int]) -> str:
    return IDset(ids).encode()


def _hostlist(names: Iterable[str]) -> str:
    """Host names in their order, runs of one prefix joined."""
    names = list(names)
    try:
        return Hostlist(names).encode()
    except ParseError:  # a name that is no host's, which JGF allows
        return ",".join(names)
