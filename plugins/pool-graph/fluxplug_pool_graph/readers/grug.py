"""Reads GRUG: a GraphML recipe from which a graph is generated (fluxion.md section 2.4).

Two steps, apart: `_Reader` makes a recipe of the XML, `_Generator` makes vertices and edges of the recipe. A recipe vertex stands
for all vertices that it leads to, its instances; a recipe edge says how they are made from those of its source.
"""

from __future__ import annotations

import re
from typing import NoReturn

from attrs import define, field

from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers import limits
from fluxplug_pool_graph.readers.limits import MAX_INT, MIN_INT, GraphReadError, XmlReader, shown

#: The original says no more, whatever is wrong.
_TEXTS = ("error in reading grug string; ",)

#: Attributes with what they are where neither the recipe nor a key's default has them; a number is an integer attribute.
_NODE_DEFAULTS: dict[str, str | int] = {
    "root": 0,
    "type": "",
    "basename": "",
    "size": 1,
    "unit": "",
    "subsystem": CONTAINMENT,
}
_EDGE_DEFAULTS: dict[str, str | int] = {
    "e_subsystem": CONTAINMENT,
    "id_scope": 0,
    "id_start": 0,
    "id_stride": 1,
    "gen_method": "MULTIPLY",
    "multi_scale": 1,
    "as_tgt_subsystem": CONTAINMENT,
    "as_tgt_uplvl": 1,
    "as_src_uplvl": 1,
}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_METHODS = ("MULTIPLY", "ASSOCIATE_IN", "ASSOCIATE_BY_PATH_IN")


def read(text: str | bytes) -> Description:
    """Read a recipe and generate its graph. Raises GraphReadError. Linear in the recipe and in the vertices and edges made."""
    reader = _Reader()
    reader.parse(text)
    return _Generator(reader.recipe()).generate()


@define(eq=False)
class _RecipeEdge:
    id: str
    target: _RecipeVertex
    subsystem: str
    scope: int
    start: int
    stride: int
    method: str
    scale: int
    target_subsystem: str
    target_up: int
    source_up: int


@define(eq=False)
class _RecipeVertex:
    id: str
    root: bool
    type: str
    basename: str
    size: int
    unit: str
    subsystem: str
    edges: list[_RecipeEdge] = field(factory=list)
    instances: list[int] = field(factory=list)  # indexes of vertices; one may be there for several sources
    visited: bool = False


@define
class _Element:
    """A node or edge element as it stands in the file; keys may be declared after it."""

    id: str
    line: int
    source: str = ""
    target: str = ""
    data: dict[str, str] = field(factory=dict)


@define
class _Key:
    owner: str  # node, edge, all, ...
    attribute: str
    default: str | None = None


class _Reader(XmlReader):
    texts = _TEXTS

    def __init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._keys: dict[str, _Key] = {}
        self._nodes: list[_Element] = []
        self._edges: list[_Element] = []
        self._element: _Element | None = None  # the one whose data elements are read
        self._data_key = ""  # of the data element that is read
        self._declared = _Key("", "")  # the key that is read

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag != "graphml":
            self.fail(f"expected the element graphml, not {shown(tag)}")
        self._open.append(tag)
        if tag == "key":
            name = self._attribute(tag, attributes, "id")
            self._declared = _Key(attributes.get("for", "all"), attributes.get("attr.name", name))
            self._keys[name] = self._declared
        elif tag == "default":
            self.collecting = self._open[-2:-1] == ["key"]
        elif tag == "graph":
            if attributes.get("edgedefault", "directed") != "directed":
                self.fail("expected a directed graph")
        elif tag == "node":
            self._element = _Element(self._attribute(tag, attributes, "id"), self.line)
            self._nodes.append(self._element)
        elif tag == "edge":
            ends = (self._attribute(tag, attributes, "source"), self._attribute(tag, attributes, "target"))
            self._element = _Element(attributes.get("id", f"{ends[0]}->{ends[1]}"), self.line, *ends)
            self._edges.append(self._element)
        elif tag == "data":
            self._data_key = self._attribute(tag, attributes, "key")
            self.collecting = True

    def end(self, tag: str, text: str) -> None:
        self._open.pop()
        if tag in ("node", "edge"):
            self._element = None
        elif tag == "data":
            if self._element is not None and self._open[-1] in ("node", "edge"):
                self._element.data[self._data_key] = text
        elif tag == "default" and self._open[-1] == "key":
            self._declared.default = text

    def recipe(self) -> list[_RecipeVertex]:
        """The recipe vertices in file order, each with its edges in file order."""
        vertices: dict[str, _RecipeVertex] = {}
        for element in self._nodes:
            place = f"line {element.line}: node {shown(element.id)}"
            if element.id in vertices:
                _fail(place, "the id stands twice")
            vertices[element.id] = self._vertex(element, place)
        for element in self._edges:
            place = f"line {element.line}: edge {shown(element.id)}"
            for end in (element.source, element.target):
                if end not in vertices:
                    _fail(place, f"there is no node {shown(end)}")
            vertices[element.source].edges.append(self._edge(element, vertices[element.target], place))
        return list(vertices.values())

    def _vertex(self, element: _Element, place: str) -> _RecipeVertex:
        texts, numbers = self._attributes(element, "node", _NODE_DEFAULTS, place)
        kind = limits.check_name(texts["type"], f"{place}: type", _TEXTS)
        basename = limits.check_name(texts["basename"] or kind, f"{place}: basename", _TEXTS)
        if numbers["size"] < 0:
            _fail(f"{place}: size", "expected a non-negative integer")
        root = numbers["root"] == 1
        return _RecipeVertex(element.id, root, kind, basename, numbers["size"], texts["unit"], texts["subsystem"])

    def _edge(self, element: _Element, target: _RecipeVertex, place: str) -> _RecipeEdge:
        texts, numbers = self._attributes(element, "edge", _EDGE_DEFAULTS, place)
        return _RecipeEdge(
            id=element.id,
            target=target,
            subsystem=texts["e_subsystem"],
            scope=numbers["id_scope"],
            start=numbers["id_start"],
            stride=numbers["id_stride"],
            method=texts["gen_method"],
            scale=numbers["multi_scale"],
            target_subsystem=texts["as_tgt_subsystem"],
            target_up=numbers["as_tgt_uplvl"],
            source_up=numbers["as_src_uplvl"],
        )

    def _attributes(
        self, element: _Element, owner: str, defaults: dict[str, str | int], place: str
    ) -> tuple[dict[str, str], dict[str, int]]:
        """All attributes of an element, the texts and the numbers; those that nobody knows are left out."""
        given = {
            key.attribute: key.default
            for key in self._keys.values()
            if key.owner in (owner, "all") and key.default is not None
        }
        for name, text in element.data.items():
            key = self._keys.get(name)
            if key is None:
                _fail(place, f"the key {shown(name)} is not declared")
            given[key.attribute] = text
        texts: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for attribute, default in defaults.items():
            value = given.get(attribute)
            if isinstance(default, str):
                texts[attribute] = default if value is None else value
            else:
                numbers[attribute] = default if value is None else _integer(value, f"{place}: {attribute}")
        return texts, numbers

    def _attribute(self, tag: str, attributes: dict[str, str], name: str) -> str:
        value = attributes.get(name)
        if value is None:
            self.fail(f"the element {tag} needs the attribute {name}")
        return value


class _Generator:
    """Walks a recipe depth first. Every recipe edge to a vertex not yet visited makes all its instances, then the walk descends."""

    def __init__(self, recipe: list[_RecipeVertex]) -> None:
        self._recipe = recipe
        self._made = Description(types=list(dict.fromkeys(vertex.type for vertex in recipe)))
        self._of_type: dict[str, list[int]] = {}
        self._roots: dict[str, int] = {}
        self._scales: list[int] = []  # of the edges on the way here, the nearest last
        self._nodes = 0
        self._characters = 0
        self._edge_index: dict[tuple[int, int], int] = {}  # filled up to _indexed
        self._indexed = 0

    def generate(self) -> Description:
        for vertex in self._recipe:
            if not vertex.visited:
                self._visit(vertex, 1)
        return self._made

    def _visit(self, source: _RecipeVertex, depth: int) -> None:
        if depth > limits.MAX_DEPTH:
            _fail(f"node {shown(source.id)}", f"the recipe is nested too deeply, the limit is {limits.MAX_DEPTH}")
        source.visited = True
        for edge in source.edges:
            if edge.target.visited:
                continue
            if source.root and not source.instances:
                self._make_root(source)
            if edge.method == "MULTIPLY":
                self._multiply(source, edge)
            elif edge.method in _METHODS:
                self._associate(source, edge)
            else:
                _fail(f"edge {shown(edge.id)}: gen_method", f"expected one of {', '.join(_METHODS)}")
            self._visit(edge.target, depth + 1)
        # Also after an association, which put nothing there: recorded ids depend on it.
        if self._scales:
            self._scales.pop()

    def _make_root(self, recipe: _RecipeVertex) -> None:
        root = self._roots.get(recipe.subsystem)
        if root is None:
            root = self._roots[recipe.subsystem] = self._add(recipe, 0, "", f"node {shown(recipe.id)}")
        recipe.instances.append(root)

    def _multiply(self, source: _RecipeVertex, edge: _RecipeEdge) -> None:
        target, scale = edge.target, max(edge.scale, 0)
        place = f"edge {shown(edge.id)}"
        vertices, edges = self._made.vertices, self._made.edges
        limits.check_vertices(len(vertices) + len(source.instances) * scale, place, _TEXTS)
        window = 1
        for outer in self._scales[-edge.scope :] if edge.scope > 0 else ():
            window *= outer
        # A scale of 0 leaves no sources, unless an association found some: any window will do for them.
        window = max(window, 1)
        for j, parent in enumerate(source.instances):
            prefix = vertices[parent].paths.get(target.subsystem, "")
            for i in range(scale):
                if edge.scope < 0:
                    number = -1
                elif edge.scope == 0:
                    number = edge.start + i
                else:
                    number = edge.start + (j % window) * scale * edge.stride + i * edge.stride
                child = self._add(target, number, prefix, place)
                target.instances.append(child)
                edges.append(Edge(parent, child, edge.subsystem))
        self._check_edges(place)
        self._scales.append(scale)

    def _add(self, recipe: _RecipeVertex, number: int, prefix: str, place: str) -> int:
        if not MIN_INT <= number <= MAX_INT:
            _fail(place, f"the id {number} does not fit 64 bits")
        name = recipe.basename if number == -1 else f"{recipe.basename}{number}"
        index = len(self._made.vertices)
        rank = -1
        if recipe.type == "node":
            rank = self._nodes
            self._nodes += 1
        path = f"{prefix}/{name}"
        self._spend(len(path), place)
        vertex = Vertex(recipe.type, recipe.basename, name, number, index, rank, recipe.size, recipe.unit)
        vertex.paths[recipe.subsystem] = path
        self._made.vertices.append(vertex)
        self._of_type.setdefault(recipe.type, []).append(index)
        return index

    def _associate(self, source: _RecipeVertex, edge: _RecipeEdge) -> None:
        """Tie the instances of the source to vertices that exist: all of the target's type, or those at the right place."""
        place = f"edge {shown(edge.id)}"
        vertices, edges = self._made.vertices, self._made.edges
        found = self._of_type.get(edge.target.type, [])
        by_path = edge.method == "ASSOCIATE_BY_PATH_IN"
        groups: dict[str, list[int]] = {}
        if by_path and edge.subsystem != edge.target_subsystem:
            for index in found:
                groups.setdefault(_prefix(vertices[index], edge.target_subsystem, edge.target_up), []).append(index)
        self._index_edges()
        looked = 0
        for parent in source.instances:
            chosen = found
            if by_path:
                prefix = _prefix(vertices[parent], edge.target_subsystem, edge.source_up)
                if edge.subsystem != edge.target_subsystem:
                    chosen = groups.get(prefix, [])
                else:  # the paths that are compared are those that are being changed
                    looked += len(found)
                    chosen = [i for i in found if _prefix(vertices[i], edge.target_subsystem, edge.target_up) == prefix]
            # Bounded although nothing may be added: an edge can be labelled again without end.
            looked += len(chosen)
            if looked > limits.MAX_EDGES:
                _fail(place, f"associates more than {limits.MAX_EDGES} times")
            for index in chosen:
                child = vertices[index]
                path = f"{vertices[parent].paths.get(edge.subsystem, '')}/{child.name}"
                self._spend(len(path), place)
                child.paths[edge.subsystem] = path
                at = self._edge_index.setdefault((parent, index), len(edges))
                if at == len(edges):
                    edges.append(Edge(parent, index, edge.subsystem))
                else:
                    edges[at].subsystem = edge.subsystem
                edge.target.instances.append(index)
        self._indexed = len(edges)
        self._check_edges(place)

    def _index_edges(self) -> None:
        for at in range(self._indexed, len(self._made.edges)):
            edge = self._made.edges[at]
            self._edge_index[edge.source, edge.target] = at

    def _check_edges(self, place: str) -> None:
        if len(self._made.edges) > limits.MAX_EDGES:
            _fail(place, f"leads to {len(self._made.edges)} edges, the limit is {limits.MAX_EDGES}")

    def _spend(self, characters: int, place: str) -> None:
        self._characters += characters
        if self._characters > limits.MAX_PATH_CHARACTERS:
            _fail(place, f"leads to paths of over {limits.MAX_PATH_CHARACTERS} characters")


def _prefix(vertex: Vertex, subsystem: str, up: int) -> str:
    """The vertex's path cut `up` levels up, with its last slash; empty where there are not so many levels or there is no path."""
    path = vertex.paths.get(subsystem, "")
    slashes = path.count("/")
    keep = slashes - up + 1
    if not path or keep < 1:
        return ""
    if keep > slashes:
        return path + "/"
    return "/".join(path.split("/", keep)[:keep]) + "/"


def _integer(text: str, place: str) -> int:
    found = _INTEGER.fullmatch(text.strip())
    value = int(found.group()) if found else MAX_INT + 1
    if not MIN_INT <= value <= MAX_INT:
        _fail(place, f"expected an integer of 64 bits, not {shown(text)}")
    return value


def _fail(place: str, reason: str) -> NoReturn:
    raise GraphReadError(place, reason, _TEXTS)
