"""Reads JGF: JSON with one object a vertex and one an edge (fluxion.md sections 2.1, 2.2).

The same document can describe a machine, a part to attach, or an allocation (`exclusive`, `free_ranks`); what it is for is its
user's business.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from fluxplug.errors import ParseError
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers import limits
from fluxplug_pool_graph.readers.limits import MAX_INT, MIN_INT, GraphReadError, shown

#: An `id` that says "none given", as a missing one does.
_NO_ID = -2

_LEADING_DIGITS = re.compile(r"[0-9]+")
_TRAILING_DIGITS = re.compile(r"[0-9]+\Z")


def read(text: str | bytes) -> Description:
    """Read a JGF document. Raises GraphReadError. Linear; about 14 microseconds a vertex with its edge, half of them in the JSON parser.

    Vertices keep the order of the document. Of several with the same path and rank the first counts, and edges of the others are
    its edges. A document without a containment root is read: it may be a part of a graph.
    """
    document = limits.load_json(text, "fetch_jgf: json_loads returned an error: ")
    nodes, edges = _arrays(document)
    limits.check_vertices(len(nodes), "graph.nodes")
    if len(edges) > limits.MAX_EDGES:
        raise GraphReadError("graph.edges", f"{len(edges)} edges, the limit is {limits.MAX_EDGES}")
    description = Description(free_ranks=_free_ranks(document))
    index_of = _read_nodes(nodes, description)
    _read_edges(edges, index_of, description)
    return description


def _arrays(document: Any) -> tuple[list[Any], list[Any]]:
    graph = document.get("graph") if isinstance(document, dict) else None
    if not isinstance(graph, dict):
        raise GraphReadError("graph", "expected an object with nodes and edges")
    found = []
    for key in ("nodes", "edges"):
        value = graph.get(key)
        if not isinstance(value, list):
            lines = (f"fetch_jgf: JGF does not contain a required key ({key}).",)
            raise GraphReadError(f"graph.{key}", "expected an array", lines)
        found.append(value)
    return found[0], found[1]


def _free_ranks(document: dict[str, Any]) -> IDset:
    text = document.get("free_ranks", "")
    if not isinstance(text, str):
        raise GraphReadError("free_ranks", f"expected an idset string, not {shown(text)}")
    try:
        return IDset(text)
    except ParseError as error:
        raise GraphReadError("free_ranks", str(error)) from error


def _read_nodes(nodes: list[Any], description: Description) -> dict[str, int]:
    """Append the vertices; returns the index of each outer id."""
    index_of: dict[str, int] = {}
    types: dict[str, str] = {}
    known: dict[Any, int] = {}
    roots: dict[str, str] = {}
    vertices = description.vertices
    for number, node in enumerate(nodes):
        outer = node.get("id") if type(node) is dict else None
        if type(outer) is not str:
            lines = ("fill_fetcher: JGF vertex id key is not found in a node.",)
            raise GraphReadError(f"graph.nodes[{number}]", "expected an object with a string id", lines)
        metadata = node.get("metadata")
        if type(metadata) is not dict:
            lines = (f"fill_fetcher: key (metadata) is not found in an JGF node for {outer}.",)
            raise GraphReadError(f"vertex {shown(outer)}", "expected an object metadata", lines)
        if outer in index_of:
            raise GraphReadError(f"vertex {shown(outer)}", "the id stands twice")
        vertex = _vertex(outer, metadata)
        paths = vertex.paths
        # The path within containment tells a vertex; one of other subsystems only is told by all of them.
        path = paths.get(CONTAINMENT)
        index = known.setdefault((path or tuple(sorted(paths.items())), vertex.rank), len(vertices))
        index_of[outer] = index
        if index < len(vertices):
            continue
        for subsystem, path in paths.items():
            if path.count("/") != 1:
                continue
            if subsystem in roots:
                lines = (
                    f"add_graph_metadata: failed to add root metadata for {subsystem} subsystem. Possible duplicate root.",
                )
                reason = f"a second root of {subsystem}: {shown(path)} beside {shown(roots[subsystem])}"
                raise GraphReadError(f"vertex {shown(outer)}", reason, lines)
            roots[subsystem] = path
        vertex.type = types.setdefault(vertex.type, vertex.type)  # one string for all vertices of a type
        vertices.append(vertex)
    description.types = list(types)
    return index_of


def _vertex(outer: str, metadata: dict[str, Any]) -> Vertex:
    get = metadata.get
    kind = get("type")
    if type(kind) is not str or not kind:
        _malformed(outer, "type", "a string", kind)
    basename = get("basename", kind)
    if type(basename) is not str:
        _malformed(outer, "basename", "a string", basename)
    paths = get("paths")
    if type(paths) is not dict:
        _malformed(outer, "paths", "an object", paths)
    for path in paths.values():
        if type(path) is not str:
            _malformed(outer, "paths", "an object of strings", path)
    rank = get("rank", -1)
    size = get("size", 1)
    status = get("status", 0)
    exclusive = get("exclusive", False)
    if type(rank) is not int or not MIN_INT <= rank <= MAX_INT:
        _malformed(outer, "rank", "an integer of 64 bits", rank)
    if type(size) is not int or not 0 <= size <= MAX_INT:
        _malformed(outer, "size", "a non-negative integer of 64 bits", size)
    if type(status) is not int or not 0 <= status <= 1:
        _malformed(outer, "status", "0 (up) or 1 (down)", status)
    if type(exclusive) is not bool:
        _malformed(outer, "exclusive", "a boolean", exclusive)
    unit = get("unit", "")
    if type(unit) is not str:
        _malformed(outer, "unit", "a string", unit)
    properties = _properties(outer, metadata["properties"]) if "properties" in metadata else {}
    uniq_id = get("uniq_id")
    if uniq_id is None and "uniq_id" not in metadata:
        uniq_id = _uniq_id(outer)
    elif type(uniq_id) is not int or not MIN_INT <= uniq_id <= MAX_INT:
        _malformed(outer, "uniq_id", "an integer of 64 bits", uniq_id)
    name = get("name")
    if type(name) is not str and "name" in metadata:
        _malformed(outer, "name", "a string", name)
    number = get("id", _NO_ID)
    if type(number) is not int or not MIN_INT <= number <= MAX_INT:
        _malformed(outer, "id", "an integer of 64 bits", number)
    if number == _NO_ID:
        digits = _TRAILING_DIGITS.search(name) if kind == "node" and name else None
        number = limits.to_id(digits.group(), f"vertex {shown(outer)}: name") if digits else uniq_id
    if name is None:
        name = f"{basename}{number}"
    # The original parses the unit and drops it, so that a graph from JGF never prints one.
    return Vertex(kind, basename, name, number, uniq_id, rank, size, "", status == 0, exclusive, properties, paths)


def _properties(outer: str, properties: Any) -> dict[str, str]:
    place = f"vertex {shown(outer)}: properties"
    if type(properties) is not dict:
        lines = (f"fill_fetcher: key (properties) must be an object or null for {outer}.",)
        raise GraphReadError(place, f"expected an object, not {shown(properties)}", lines)
    for key, value in properties.items():
        if type(value) is not str:
            raise GraphReadError(place, f"expected a string for {shown(key)}, not {shown(value)}")
    return properties


def _uniq_id(outer: str) -> int:
    digits = _LEADING_DIGITS.match(outer)
    if digits is None:
        raise GraphReadError(f"vertex {shown(outer)}", "without uniq_id, the id must begin with a number")
    return limits.to_id(digits.group(), f"vertex {shown(outer)}")


def _malformed(outer: str, key: str, expected: str, value: object) -> NoReturn:
    reason = f"expected {expected}, not {shown(value)}"
    lines = (f"fill_fetcher: malformed metadata in an JGF node for {outer}",)
    raise GraphReadError(f"vertex {shown(outer)}: {key}", reason, lines)


def _read_edges(edges: list[Any], index_of: dict[str, int], description: Description) -> None:
    seen: set[tuple[int, int]] = set()
    out = description.edges
    for number, edge in enumerate(edges):
        if type(edge) is not dict:
            raise GraphReadError(f"graph.edges[{number}]", f"expected an object, not {shown(edge)}")
        source, target = edge.get("source"), edge.get("target")
        if type(source) is not str or type(target) is not str:
            raise GraphReadError(f"graph.edges[{number}]", "expected string source and target")
        ends = index_of.get(source, -1), index_of.get(target, -1)
        if ends[0] < 0 or ends[1] < 0:
            missing = source if ends[0] < 0 else target
            lines = (f"unpack_edge: source and/or target vertex not found{source} -> {target}.",)
            raise GraphReadError(_edge(number, source, target), f"there is no vertex {shown(missing)}", lines)
        metadata = edge.get("metadata", {})
        subsystem = metadata.get("subsystem", CONTAINMENT) if type(metadata) is dict else None
        if type(subsystem) is not str or not subsystem:
            reason = "expected an object metadata, and in it no subsystem or a string"
            raise GraphReadError(_edge(number, source, target), reason)
        if ends in seen:
            raise GraphReadError(_edge(number, source, target), "a second edge between the same vertices")
        seen.add(ends)
        out.append(Edge(ends[0], ends[1], subsystem))


def _edge(number: int, source: str, target: str) -> str:
    return f"graph.edges[{number}] ({source[:40]} -> {target[:40]})"
