"""Reads hwloc topology XML of versions 1 and 2 as a graph of one machine (fluxion.md section 2.5).

Three steps, apart: `_Reader` makes a tree of the XML, `_tidy` brings it to the form in which the hwloc library would hold it, `_walk`
makes vertices. Of the library's import only what changes vertices or their order is here: memory apart from the CPU side, groups and
caches only where they bring structure, no DMA channels, indexes by type in depth-first order. Groups of all depths are numbered
together, and children keep the order of the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers import limits
from fluxplug_pool_graph.readers.limits import MAX_INT, GraphReadError, XmlReader, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TEXTS = ("Error hwloc load: rank -1; ",)

#: Object kind: (allowlist word, type, basename) of its vertex.
_PLAIN = {
    "Group": ("group", "group", "group"),
    "NUMANode": ("numanode", "numanode", "numanode"),
    "Package": ("socket", "socket", "socket"),
    "Core": ("core", "core", "core"),
    "PU": ("pu", "pu", "pu"),
    "L1Cache": ("L1cache", "cache", "L1cache"),
    "L2Cache": ("L2cache", "cache", "L2cache"),
    "L3Cache": ("L3cache", "cache", "L3cache"),
}
_CACHES = ("L5Cache", "L4Cache", "L3Cache", "L2Cache", "L1Cache")
_NORMAL = frozenset({"Machine", "System", "Group", "Package", "Die", "Core", "PU", *_CACHES})
_MEMORY = frozenset({"NUMANode"})
_IO = frozenset({"Bridge", "PCIDev", "OSDev"})
_MISC = frozenset({"Misc"})
#: How version 1 called them.
_OLD_NAMES = {"Socket": "Package", "Node": "NUMANode"}

#: The numbers of osdev_type that matter here.
_BLOCK, _GPU, _DMA, _COPROCESSOR = "0", "1", "4", "5"
_INSTRUCTION_CACHE = "2"
_GPU_NAME = re.compile(r"(?:cuda|rsmi|opencl[0-9]+d)([0-9]+)")
_KILOBYTES_PER_GIGABYTE = 1_000_000
_DIGITS = re.compile(r"[0-9]{1,19}")


def read(text: str | bytes, allowlist: Iterable[str] = ()) -> Description:
    """Read a topology: a cluster vertex and the machine below it. Raises GraphReadError. Linear.

    `allowlist` names the objects that become vertices: node, group, numanode, socket, core, pu, L1cache, L2cache, L3cache, gpu,
    storage; other words are ignored, and an empty list means all. What is below a left-out object belongs to what is above it.
    """
    reader = _Reader()
    reader.parse(text)
    root = reader.root
    if root is None:
        raise GraphReadError("topology", "there is no object", _TEXTS)
    if reader.old:
        _lift_memory(root)
        if not any(o.memory for o in root.all()):  # the library always has one
            root.memory.append(_Object("NUMANode", root.line, root.order))
    _tidy(root)
    return _Maker(frozenset(allowlist)).make(root)


@define(eq=False)
class _Object:
    kind: str
    line: int
    order: int  # its place in the file
    attributes: dict[str, str] = field(factory=dict)
    infos: dict[str, str] = field(factory=dict)
    normal: list[_Object] = field(factory=list)
    memory: list[_Object] = field(factory=list)
    io: list[_Object] = field(factory=list)
    misc: list[_Object] = field(factory=list)
    index: int = 0  # logical: among those of its kind

    def children(self) -> Iterator[_Object]:
        """In the order of the library: the CPU side, then memory, I/O, the rest."""
        yield from self.normal
        yield from self.memory
        yield from self.io
        yield from self.misc

    def all(self) -> Iterator[_Object]:
        """The object and all below it, depth first."""
        todo = [self]
        while todo:
            one = todo.pop()
            yield one
            todo += reversed(list(one.children()))

    def adopt(self, other: _Object) -> None:
        """Take over what hangs on `other` beside its CPU side."""
        self.memory += other.memory
        self.io += other.io
        self.misc += other.misc


class _Reader(XmlReader):
    texts = _TEXTS

    def __init__(self) -> None:
        super().__init__()
        self.root: _Object | None = None
        self.old = True
        self._elements = 0
        self._open: list[_Object | None] = []  # of each open element; None where it is no object that is kept

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        made = None
        if self._elements == 1:
            if tag != "topology":
                self.fail(f"expected the element topology, not {shown(tag)}")
            self.old = "version" not in attributes
        elif tag == "object":
            made = self._object(attributes)
        elif tag == "info":
            owner = self._open[-1]
            if owner is not None:
                owner.infos[attributes.get("name", "")] = attributes.get("value", "")
        self._open.append(made)

    def end(self, tag: str, text: str) -> None:
        del tag, text
        self._open.pop()

    def _object(self, attributes: dict[str, str]) -> _Object | None:
        kind = attributes.get("type")
        if kind is None:
            self.fail("the element object needs the attribute type")
        limits.check_vertices(self._elements, f"line {self.line}", _TEXTS)
        kind = _OLD_NAMES.get(kind, kind)
        if kind == "Cache":
            kind = f"L{attributes.get('depth', '')}Cache"
            if attributes.get("cache_type") == _INSTRUCTION_CACHE:
                kind = "instruction cache"
        made = _Object(kind, self.line, self._elements, attributes)
        parent = next((o for o in reversed(self._open) if o is not None), None)
        if self.root is None:
            self.root = made
        elif parent is None:
            self.fail("a second object at the top")
        elif kind in _NORMAL:
            parent.normal.append(made)
        elif kind in _MEMORY:
            parent.memory.append(made)
        elif kind in _IO and not (kind == "OSDev" and attributes.get("osdev_type") == _DMA):
            parent.io.append(made)
        elif kind in _MISC:
            parent.misc.append(made)
        else:  # what is in it belongs to the object around it
            return None
        return made


def _lift_memory(one: _Object) -> None:
    """Version 1 has cores below NUMA nodes: put a group in the place of such a node, with the memory beside the cores.

    Memory came with the CPU side in the file, so a NUMA node with a CPU side goes back among the CPU children in its order.
    """
    for child in [*one.normal, *one.memory]:
        _lift_memory(child)
    lifted = []
    for numa in one.memory:
        if numa.normal or numa.io or numa.memory:
            group = _Object("Group", numa.line, numa.order, numa.attributes, {}, numa.normal, [], numa.io, numa.misc)
            group.memory = [_Object("NUMANode", numa.line, numa.order, numa.attributes, numa.infos), *numa.memory]
            lifted.append(group)
    if lifted:
        one.memory = [numa for numa in one.memory if not (numa.normal or numa.io or numa.memory)]
        one.normal = sorted(one.normal + lifted, key=lambda child: child.order)


def _tidy(root: _Object) -> None:
    """Take out the groups and the levels of caches that bring no structure."""
    _merge_groups(root)
    for kind in _CACHES:
        pairs = [(parent, child) for parent in root.all() for child in parent.normal if child.kind == kind]
        lone_child = all(len(child.normal) == 1 for _, child in pairs)
        if pairs and (lone_child or all(len(parent.normal) == 1 for parent, _ in pairs)):
            for parent in {id(parent): parent for parent, _ in pairs}.values():
                _take_out(parent, kind, into_child=lone_child)


def _take_out(parent: _Object, kind: str, *, into_child: bool) -> None:
    normal = []
    for child in parent.normal:
        if child.kind == kind:
            (child.normal[0] if into_child else parent).adopt(child)
            normal += child.normal
        else:
            normal.append(child)
    parent.normal = normal


def _merge_groups(one: _Object) -> None:
    """A group with one CPU child of the same CPUs is that child; one that is all of its parent is the parent."""
    for child in one.normal:
        _merge_groups(child)
    for k, child in enumerate(one.normal):
        if child.kind == "Group" and len(child.normal) == 1 and _same_cpus(child, child.normal[0]):
            child.normal[0].adopt(child)
            one.normal[k] = child.normal[0]
    if len(one.normal) == 1 and one.normal[0].kind == "Group" and _same_cpus(one, one.normal[0]):
        group = one.normal[0]
        one.adopt(group)
        one.normal = group.normal


def _same_cpus(a: _Object, b: _Object) -> bool:
    return a.attributes.get("cpuset") == b.attributes.get("cpuset")


class _Maker:
    """Makes vertices of a tidy tree."""

    def __init__(self, allowlist: frozenset[str]) -> None:
        self._allowlist = allowlist
        self._nodes = 0
        cluster = Vertex("cluster", "cluster", "cluster0", 0, 0, paths={CONTAINMENT: "/cluster0"})
        self._made = Description(vertices=[cluster])

    def make(self, root: _Object) -> Description:
        counts: dict[str, int] = {}
        for one in root.all():
            one.index = counts.get(one.kind, 0)
            counts[one.kind] = one.index + 1
        self._visit(root, 0)
        self._made.types = list(dict.fromkeys(vertex.type for vertex in self._made.vertices))
        return self._made

    def _visit(self, one: _Object, parent: int) -> None:
        vertex = self._vertex(one)
        if vertex is not None:
            vertex.paths[CONTAINMENT] = f"{self._made.vertices[parent].paths[CONTAINMENT]}/{vertex.name}"
            self._made.edges.append(Edge(parent, vertex.uniq_id))
            parent = vertex.uniq_id
            self._made.vertices.append(vertex)
        for child in one.children():
            self._visit(child, parent)

    def _vertex(self, one: _Object) -> Vertex | None:
        place = f"line {one.line}"
        uniq_id = len(self._made.vertices)
        if one.kind == "Machine":
            host = one.infos.get("HostName")
            if host is None or not self._allows("node"):
                return None
            limits.check_name(host, f"{place}: HostName", _TEXTS)
            basename, number = limits.split_host(host, f"{place}: HostName")
            self._nodes += 1
            return Vertex("node", basename, host, number, uniq_id, self._nodes - 1)
        if one.kind == "OSDev":
            return self._device(one, place, uniq_id)
        word, kind, basename = _PLAIN.get(one.kind, ("", "", ""))
        if not word or not self._allows(word):
            return None
        size = 1
        if kind == "cache":
            size = _number(one.attributes.get("cache_size", "0"), f"{place}: cache_size") // 1024
        return Vertex(kind, basename, f"{basename}{one.index}", one.index, uniq_id, size=size)

    def _device(self, one: _Object, place: str, uniq_id: int) -> Vertex | None:
        name, osdev_type = one.attributes.get("name", ""), one.attributes.get("osdev_type")
        if osdev_type == _COPROCESSOR or (osdev_type == _GPU and name.startswith("rsmi")):
            if not self._allows("gpu"):
                return None
            found = _GPU_NAME.fullmatch(name)
            number = limits.to_id(found.group(1), f"{place}: name") if found else one.index
            return Vertex("gpu", "gpu", f"gpu{number}", number, uniq_id)
        if osdev_type == _BLOCK and self._allows("storage"):
            size = one.infos.get("Size")
            if size is None:
                raise GraphReadError(f"{place}: block device {shown(name)}", "there is no info Size")
            gigabytes = _number(size, f"{place}: Size") // _KILOBYTES_PER_GIGABYTE
            properties = {"LinuxDeviceID": one.infos.get("LinuxDeviceID", "-1")}
            basename = "storage"
            return Vertex(
                basename, basename, f"{basename}{one.index}", one.index, uniq_id, size=gigabytes, properties=properties
            )
        return None

    def _allows(self, word: str) -> bool:
        return not self._allowlist or word in self._allowlist


def _number(text: str, place: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > MAX_INT:
        raise GraphReadError(place, f"expected a non-negative integer of 64 bits, not {shown(text)}")
    return int(text)
