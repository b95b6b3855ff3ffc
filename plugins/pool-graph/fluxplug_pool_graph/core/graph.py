"""`Graph`: a resource graph in C, read and described in Python. It owns the graph and frees it."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from attrs import frozen
from fluxplug_graph import ffi, lib

from fluxplug_pool_graph.core.codes import NONE, GraphArgumentError, GraphLookupError, check_code, index_of, text_of
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.tables import Tables, unfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer


class Graph:
    """A resource graph: immutable but for status and properties. Vertices are ints from 0, in preorder of containment."""

    def __init__(self, handle: Any) -> None:
        """For the constructors below: takes over a graph of the C core."""
        self._info = ffi.new("fg_info *")
        lib.fg_graph_info(handle, self._info)
        self._graph = ffi.gc(handle, lib.fg_graph_free, size=self._info.bytes)
        self._subsystems: list[str] | None = None  # made once: every vertex asks

    @classmethod
    def from_jgf(cls, document: str | Buffer) -> Graph:
        """Read a JGF document (fluxion.md 2.1). Raises GraphDocumentError. Bytes, or a mapped file, are read where they are; a str is copied."""
        if isinstance(document, str):
            document = document.encode(
                "utf-8", errors="surrogatepass"
            )  # what is no UTF-8 then is the reader's to refuse
        error = ffi.new("fg_error *")
        with ffi.from_buffer("char[]", document) as text:
            handle = lib.fg_load_jgf(text, len(text), ffi.NULL, error)
        if not handle:
            check_code(error.code, error)
        return cls(handle)

    @classmethod
    def from_description(cls, description: Description) -> Graph:
        """Build what a reader made. Raises GraphDocumentError, with the index of the vertex or edge."""
        columns, buffers = _columns(Tables.of(description))
        error = ffi.new("fg_error *")
        handle = lib.fg_build(columns, ffi.NULL, error)
        del buffers  # the columns point into them
        if not handle:
            check_code(error.code, error)
        return cls(handle)

    @property
    def handle(self) -> Any:
        """For `MatchCore`, which works on the graph in place."""
        return self._graph

    def __len__(self) -> int:
        return int(self._info.vertices)

    @property
    def edges(self) -> int:
        """How many edges there are, in all subsystems."""
        return int(self._info.edges)

    @property
    def nbytes(self) -> int:
        """Memory that the C core uses for the graph."""
        return int(self._info.bytes)

    @property
    def is_tree(self) -> bool:
        """Whether containment is one tree, with all that it contains below its root."""
        return bool(self._info.tree)

    @property
    def types(self) -> list[str]:
        """Names of the types, by number."""
        return [text_of(lib.fg_type_name(self._graph, i)) for i in range(self._info.types)]

    @property
    def subsystems(self) -> list[str]:
        """Names of the subsystems, by number; containment is the first."""
        return [text_of(lib.fg_subsystem_name(self._graph, i)) for i in range(self._info.subsystems)]

    def vertex(self, index: int) -> Vertex:
        """A copy of the fields of a vertex. Raises GraphLookupError."""
        fields = self._fields(index)
        if self._subsystems is None:
            self._subsystems = self.subsystems
        paths = {name: path for i, name in enumerate(self._subsystems) if (path := self._path(index, i))}
        key, value = ffi.new("char const **"), ffi.new("char const **")
        properties = {}
        for i in range(fields.properties):
            check_code(lib.fg_property(self._graph, index, i, key, value))
            properties[text_of(key[0])] = text_of(value[0])
        return Vertex(
            type=text_of(fields.type),
            basename=text_of(fields.basename),
            name=self._name(index),
            id=fields.id,
            uniq_id=fields.uniq_id,
            rank=fields.rank,
            size=fields.size,
            unit=text_of(fields.unit),
            up=not fields.down,
            properties=properties,
            paths=paths,
        )

    def place(self, index: int) -> Place:
        """Where a vertex is in containment. Raises GraphLookupError."""
        fields = self._fields(index)
        parent = None if fields.parent == NONE else int(fields.parent)
        return Place(parent=parent, depth=fields.depth, below=range(index + 1, index + fields.subtree))

    def size(self, index: int) -> int:
        """The size of a vertex. Raises GraphLookupError."""
        return int(self._fields(index).size)

    def name(self, index: int) -> str:
        """The name of a vertex. Raises GraphLookupError."""
        self._fields(index)
        return self._name(index)

    def _name(self, index: int) -> str:
        length = lib.fg_name(self._graph, index, ffi.NULL, 0)
        out = ffi.new("char[]", length + 1)
        lib.fg_name(self._graph, index, out, length + 1)
        return text_of(out)

    def path(self, index: int, subsystem: str = CONTAINMENT) -> str:
        """The path of a vertex in a subsystem, "" where it has none. Raises GraphLookupError."""
        self._fields(index)
        return self._path(index, lib.fg_subsystem_number(self._graph, subsystem.encode()))

    def out_edges(self, index: int) -> list[tuple[int, str]]:
        """Target and subsystem of each out-edge, in the order in which they were made. Raises GraphLookupError."""
        target, subsystem = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        names, out = self.subsystems, []
        for i in range(self._fields(index).out_edges):
            check_code(lib.fg_edge(self._graph, index, i, target, subsystem))
            out.append((int(target[0]), names[subsystem[0]]))
        return out

    def root(self, subsystem: str = CONTAINMENT) -> int | None:
        """The vertex whose path in the subsystem has one slash."""
        return index_of(lib.fg_root(self._graph, lib.fg_subsystem_number(self._graph, subsystem.encode())))

    def find_path(self, path: str, start: int = 0) -> int | None:
        """The first vertex from `start` on that has this path in any subsystem; None. O(length of the path)."""
        raw = path.encode("utf-8", errors="surrogatepass")
        return index_of(lib.fg_find_path(self._graph, raw, len(raw), start))

    def by_type(self, name: str) -> list[int]:
        """The vertices of a type, ascending."""
        found = ffi.new("uint32_t const **")
        count = lib.fg_by_type(self._graph, lib.fg_type_number(self._graph, name.encode()), found)
        return list(ffi.unpack(found[0], count)) if count else []

    def count(self, name: str) -> int:
        """How many vertices a type has."""
        return int(
            lib.fg_by_type(self._graph, lib.fg_type_number(self._graph, name.encode()), ffi.new("uint32_t const **"))
        )

    def total(self, name: str) -> int:
        """The sizes of all vertices of a type. Linear in these."""
        return sum(fields.size for fields in self._all_fields(name))

    def is_single(self, name: str) -> bool:
        """Whether all vertices of a type have a size of 1 and nothing below them in containment. Linear in these."""
        return all(fields.size == 1 and fields.subtree == 1 for fields in self._all_fields(name))

    def _all_fields(self, name: str) -> Iterator[Any]:
        """The fields of each vertex of a type, every time in the same place."""
        fields = ffi.new("fg_vertex *")
        for index in self.by_type(name):
            lib.fg_get(self._graph, index, fields)
            yield fields

    def by_rank(self, rank: int) -> list[int]:
        """The vertices of a rank, ascending; none has a negative one."""
        found = ffi.new("uint32_t const **")
        count = lib.fg_by_rank(self._graph, rank, found)
        return [int(one) for one in found[0][0:count]] if count else []

    def created(self) -> Iterator[int]:
        """The vertices in the order in which they were made, which is that of the document."""
        return (int(lib.fg_created(self._graph, k)) for k in range(len(self)))

    def set_up(self, index: int, *, up: bool) -> None:
        """Change the status of that one vertex. Raises GraphLookupError."""
        self._fields(index)
        check_code(lib.fg_set_down(self._graph, index, not up))

    def set_property(self, index: int, key: str, value: str) -> None:
        """Add a property, or change it. Raises GraphLookupError, GraphArgumentError (a NUL)."""
        self._fields(index)
        for text in (key, value):
            if reason := unfit(text):
                raise GraphArgumentError(f"property {key!r}: {reason}")
        check_code(
            lib.fg_set_property(self._graph, index, key.encode(), value.encode()),
            what=f"property {key!r}: too many or too long",
        )

    def write_jgf(self) -> str:
        """The whole graph as one line of JGF, vertices in the order in which they were made."""
        buffer = ffi.gc(lib.fg_buffer_new(ffi.NULL), lib.fg_buffer_free)
        check_code(
            lib.fg_write_jgf(self._graph, buffer) if buffer else lib.FG_NO_MEMORY,
            what="the text does not fit into memory",
        )
        return str(ffi.buffer(lib.fg_buffer_data(buffer), lib.fg_buffer_size(buffer))[:].decode())

    def describe(self) -> Description:
        """The graph as a description: the reverse of from_description, for readers' tests and pictures. O(everything), in Python objects."""
        order = list(self.created())
        place = {vertex: k for k, vertex in enumerate(order)}
        edges = [Edge(place[v], place[target], subsystem) for v in order for target, subsystem in self.out_edges(v)]
        return Description([self.vertex(v) for v in order], edges, self.types)

    def check(self) -> None:
        """Recompute what is derived; an AssertionError says what is wrong. For tests: it costs as much as loading."""
        error = ffi.new("fg_error *")
        code = lib.fg_check(self._graph, error)
        assert code == lib.FG_OK, text_of(error.detail)

    def _fields(self, index: int) -> Any:
        fields = ffi.new("fg_vertex *")
        if not 0 <= index < len(self):
            raise GraphLookupError(f"no vertex {index}: there are {len(self)}")
        check_code(lib.fg_get(self._graph, index, fields))
        return fields

    def _path(self, index: int, subsystem: int) -> str:
        length = lib.fg_path(self._graph, index, subsystem, ffi.NULL, 0)
        out = ffi.new("char[]", length + 1)
        lib.fg_path(self._graph, index, subsystem, out, length + 1)
        return text_of(out)


@frozen
class Place:
    """Where a vertex is in containment: `parent` (None at a root and outside), `depth` from 0, and the range of what lies below it."""

    parent: int | None
    depth: int
    below: range


def _columns(tables: Tables) -> tuple[Any, list[Any]]:
    """The C struct, and what it points into."""
    parts = [text.encode() for text in tables.strings]
    start = array("Q", [0])
    for part in parts:
        start.append(start[-1] + len(part))
    buffers = {name: ffi.from_buffer(f"{_TYPES[data.typecode]}[]", data) for name, data in tables.arrays.items()}
    buffers["text"] = ffi.from_buffer("char[]", b"".join(parts))
    buffers["start"] = ffi.from_buffer("uint64_t[]", start)
    counts = {
        "types": "type_order",
        "vertices": "type",
        "paths": "path_vertex",
        "properties": "property_vertex",
        "edges": "source",
    }
    sizes = {name: len(tables.arrays[column]) for name, column in counts.items()}
    return ffi.new("fg_tables *", {"strings": len(parts), **sizes, **buffers}), list(buffers.values())


_TYPES = {"I": "uint32_t", "q": "int64_t", "i": "int32_t", "B": "uint8_t"}
