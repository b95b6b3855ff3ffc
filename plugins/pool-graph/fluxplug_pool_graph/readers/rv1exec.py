"""Reads the execution part of R version 1 as a graph of nodes and their children (fluxion.md section 2.3).

Not `fluxplug.resource.document`: that reads cores and GPUs as masks and knows times; here every child type is a vertex, and the
rules for host names are those of the graph.
"""

from __future__ import annotations

from typing import Any, NoReturn

from fluxplug.errors import ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers import limits
from fluxplug_pool_graph.readers.limits import GraphReadError, shown


def read(text: str | bytes) -> Description:
    """Read an R document of version 1: a cluster vertex, its nodes, and the children of each. Raises GraphReadError. Linear."""
    document = limits.load_json(text)
    if not isinstance(document, dict):
        _fail("document", "expected an object")
    version = document.get("version")
    if type(version) is not int or version != 1:
        _fail("version", f"expected 1, not {shown(version)}")
    execution = document.get("execution")
    if not isinstance(execution, dict):
        _fail("execution", "expected an object")
    entries = _read_entries(execution.get("R_lite"))
    hosts = _read_hosts(execution.get("nodelist"), entries)
    description = Description(
        vertices=[Vertex("cluster", "cluster", "cluster0", 0, 0, paths={CONTAINMENT: "/cluster0"})], types=["cluster"]
    )
    nodes = _add_nodes(entries, hosts, description)
    _add_properties(execution.get("properties", {}), nodes)
    return description


#: One element of R_lite: its ranks, and the ids of each type of child.
_Entry = tuple[IDset, dict[str, IDset]]


def _read_entries(r_lite: Any) -> list[_Entry]:
    if not isinstance(r_lite, list):
        _fail("execution.R_lite", "expected an array")
    entries = []
    total = 1
    for number, entry in enumerate(r_lite):
        place = f"execution.R_lite[{number}]"
        if not isinstance(entry, dict):
            _fail(place, "expected an object with rank and children")
        ranks = _read_ids(entry.get("rank"), f"{place}.rank")
        children = entry.get("children")
        if not isinstance(children, dict):
            _fail(f"{place}.children", "expected an object")
        for kind in children:
            limits.check_name(kind, f"{place}.children")
        ids = {kind: _read_ids(value, f"{place}.children.{kind[:40]}") for kind, value in children.items()}
        total += ranks.count() * (1 + sum(map(IDset.count, ids.values())))
        limits.check_vertices(total, place)
        entries.append((ranks, ids))
    return entries


def _read_hosts(nodelist: Any, entries: list[_Entry]) -> dict[int, str]:
    """The host of each rank: the k-th of all ranks, sorted, has the k-th host."""
    if not isinstance(nodelist, list) or not all(isinstance(text, str) for text in nodelist):
        _fail("execution.nodelist", "expected an array of hostlist strings")
    try:
        names = Hostlist(nodelist)
    except ParseError as error:
        raise GraphReadError("execution.nodelist", str(error)) from error
    count = sum(ranks.count() for ranks, _ in entries)
    if len(names) < count:
        _fail("execution.nodelist", f"{len(names)} hosts for {count} ranks")
    hosts: dict[int, str] = {}
    for rank, name in zip(sorted(rank for ranks, _ in entries for rank in ranks), names, strict=False):
        hosts.setdefault(rank, name)
    return hosts


def _add_nodes(entries: list[_Entry], hosts: dict[int, str], description: Description) -> dict[int, Vertex]:
    nodes: dict[int, Vertex] = {}
    vertices, edges = description.vertices, description.edges
    types = dict.fromkeys(description.types)
    characters = 0
    for number, (ranks, ids) in enumerate(entries):
        place = f"execution.R_lite[{number}]"
        if not ranks:
            continue
        types.update(dict.fromkeys(("node", *ids)))
        children = [(kind, i, f"{kind}{i}") for kind, members in ids.items() for i in members]
        if len({name for _, _, name in children}) < len(children):
            _fail(place, "two children have the same name")
        length = sum(len(name) for _, _, name in children)
        for rank in ranks:
            host = limits.check_name(hosts[rank], "execution.nodelist")
            if rank in nodes:
                lines = (
                    f"add_or_update: found duplicate vertex in graph for {host}.",
                    f"unpack_rank: failed unpacking rank for {host}.",
                )
                raise GraphReadError(f"{place}.rank", f"rank {rank} (host {shown(host)}) stands twice", lines)
            characters += len(children) * (len(host) + 11) + length
            if characters > limits.MAX_PATH_CHARACTERS:
                _fail(place, f"paths of over {limits.MAX_PATH_CHARACTERS} characters")
            basename, host_id = limits.split_host(host, "execution.nodelist")
            path = f"/cluster0/{host}"
            parent = len(vertices)
            node = Vertex("node", basename, host, host_id, parent, rank, paths={CONTAINMENT: path})
            nodes[rank] = node
            vertices.append(node)
            edges.append(Edge(0, parent))
            for kind, i, name in children:
                edges.append(Edge(parent, len(vertices)))
                vertices.append(Vertex(kind, kind, name, i, len(vertices), rank, paths={CONTAINMENT: f"{path}/{name}"}))
    description.types = list(types)
    return nodes


def _add_properties(properties: Any, nodes: dict[int, Vertex]) -> None:
    if not isinstance(properties, dict):
        _fail("execution.properties", "expected an object")
    for name, text in properties.items():
        ids = _read_ids(text, f"execution.properties.{name[:40]}")
        for rank in ids if ids.count() < len(nodes) else [rank for rank in nodes if rank in ids]:
            if rank in nodes:
                nodes[rank].properties[name] = ""


def _read_ids(text: Any, place: str) -> IDset:
    if not isinstance(text, str):
        _fail(place, f"expected an idset string, not {shown(text)}")
    try:
        return IDset(text)
    except ParseError as error:
        raise GraphReadError(place, str(error)) from error


def _fail(place: str, reason: str) -> NoReturn:
    raise GraphReadError(place, reason)
