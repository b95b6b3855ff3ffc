"""The graph in C, as a Python object: the one module that holds cffi handles, and the one place where C codes become exceptions.

`Graph` owns a graph of fluxplug_graph and frees it. Nothing of cffi leaves this module. What the numbers mean is said in
csrc/include/fluxplug_graph.h: vertices are numbered in preorder of containment, so what lies below one is a range.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen
from fluxplug_graph import ffi, lib

from fluxplug.errors import FluxplugError, InfeasibleRequest, InsufficientResources
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers.limits import GraphReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Buffer

T = TypeVar("T")
NONE: int = lib.FG_NONE


class GraphDocumentError(GraphReadError):
    """A graph document, or a description, that the C core refuses; nothing of it was loaded.

    `code` is the name of the C code (`FG_FORMAT`); `offset` the byte at which the document was found wrong, or the index of the vertex,
    path, property or edge of a description.
    """

    def __init__(self, code: str, offset: int, original: str, detail: str) -> None:
        path, _, reason = (detail or original).rpartition(": ")
        super().__init__(path or f"offset {offset}", reason, [original] if original else ())
        self.code = code
        self.offset = offset


class GraphLookupError(FluxplugError, LookupError):
    """No such vertex, property, span or time."""


class GraphArgumentError(FluxplugError, ValueError):
    """An argument that no valid call has."""


_DOCUMENT = {lib.FG_SYNTAX, lib.FG_FORMAT, lib.FG_LIMIT, lib.FG_DUPLICATE, lib.FG_UNKNOWN}


def check_code(code: int, error: Any = None, what: str = "") -> None:
    """Raise what a code of the C core stands for; FG_OK is none. `error` is the fg_error that came with it, `what` says what was asked for."""
    if code == lib.FG_OK:
        return
    if code == lib.FG_NO_MEMORY:
        raise MemoryError(what or "the graph does not fit into memory")
    name = _text(lib.fg_code_name(code))
    if error is not None:
        raise GraphDocumentError(name, error.offset, _text(error.text), _text(error.detail))
    kinds: dict[int, type[FluxplugError]] = {
        lib.FG_NOT_FOUND: GraphLookupError,
        lib.FG_INVALID: GraphArgumentError,
        lib.FG_BUSY: InsufficientResources,
        lib.FG_RANGE: InfeasibleRequest,
    }
    if code in _DOCUMENT:
        raise GraphDocumentError(name, 0, "", what)
    raise kinds[code](what or name)


def _text(chars: Any) -> str:
    """A C string that the core has checked; messages may quote bytes of a document that it has not."""
    return str(ffi.string(chars).decode("utf-8", errors="replace"))


class Graph:
    """A resource graph: immutable but for status and properties. Vertices are ints from 0, in preorder of containment."""

    def __init__(self, handle: Any) -> None:
        """For the constructors below: takes over a graph of the C core."""
        self._info = ffi.new("fg_info *")
        lib.fg_graph_info(handle, self._info)
        self._graph = ffi.gc(handle, lib.fg_graph_free, size=self._info.bytes)

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
        tables = _Tables.of(description)
        error = ffi.new("fg_error *")
        columns, buffers = tables.columns()
        handle = lib.fg_build(columns, ffi.NULL, error)
        del buffers  # the columns point into them
        if not handle:
            check_code(error.code, error)
        return cls(handle)

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
        return [_text(lib.fg_type_name(self._graph, i)) for i in range(self._info.types)]

    @property
    def subsystems(self) -> list[str]:
        """Names of the subsystems, by number; containment is the first."""
        return [_text(lib.fg_subsystem_name(self._graph, i)) for i in range(self._info.subsystems)]

    def vertex(self, index: int) -> Vertex:
        """A copy of the fields of a vertex. Raises GraphLookupError."""
        fields = self._fields(index)
        paths = {name: path for i, name in enumerate(self.subsystems) if (path := self._path(index, i))}
        key, value = ffi.new("char const **"), ffi.new("char const **")
        properties = {}
        for i in range(fields.properties):
            check_code(lib.fg_property(self._graph, index, i, key, value))
            properties[_text(key[0])] = _text(value[0])
        return Vertex(
            type=_text(fields.type),
            basename=_text(fields.basename),
            name=self.name(index),
            id=fields.id,
            uniq_id=fields.uniq_id,
            rank=fields.rank,
            size=fields.size,
            unit=_text(fields.unit),
            up=not fields.down,
            properties=properties,
            paths=paths,
        )

    def place(self, index: int) -> Place:
        """Where a vertex is in containment. Raises GraphLookupError."""
        fields = self._fields(index)
        parent = None if fields.parent == NONE else int(fields.parent)
        return Place(parent=parent, depth=fields.depth, below=range(index + 1, index + fields.subtree))

    def name(self, index: int) -> str:
        """The name of a vertex. Raises GraphLookupError."""
        self._fields(index)
        length = lib.fg_name(self._graph, index, ffi.NULL, 0)
        out = ffi.new("char[]", length + 1)
        lib.fg_name(self._graph, index, out, length + 1)
        return _text(out)

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
        return _index(lib.fg_root(self._graph, lib.fg_subsystem_number(self._graph, subsystem.encode())))

    def find_path(self, path: str, start: int = 0) -> int | None:
        """The first vertex from `start` on that has this path in any subsystem; None. O(length of the path)."""
        raw = path.encode("utf-8", errors="surrogatepass")
        return _index(lib.fg_find_path(self._graph, raw, len(raw), start))

    def by_type(self, name: str) -> list[int]:
        """The vertices of a type, ascending."""
        found = ffi.new("uint32_t const **")
        count = lib.fg_by_type(self._graph, lib.fg_type_number(self._graph, name.encode()), found)
        return [int(one) for one in found[0][0:count]] if count else []

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
            if reason := _unfit(text):
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
        assert code == lib.FG_OK, _text(error.detail)

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
        return _text(out)


@frozen
class Place:
    """Where a vertex is in containment: `parent` (None at a root and outside), `depth` from 0, and the range of what lies below it."""

    parent: int | None
    depth: int
    below: range


def _index(number: int) -> int | None:
    return None if number == NONE else int(number)


def _unfit(text: str) -> str:
    """Why a text cannot be a string of the core; "" where it can."""
    if "\0" in text:
        return "a string with NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a string that is not Unicode text"
    return ""


@frozen
class _Tables:
    """The columns of fg_tables, filled from a description: strings by number, fields in arrays."""

    strings: dict[str, int] = field(factory=dict)
    arrays: dict[str, array[int]] = field(factory=dict)

    @classmethod
    def of(cls, description: Description) -> _Tables:
        tables = cls(arrays={name: array(code) for name, code in _COLUMNS.items()})
        tables._add("type", description.types, tables._add_type)
        tables._add("vertex", description.vertices, tables._add_vertex)
        tables._add("edge", description.edges, tables._add_edge)
        return tables

    @staticmethod
    def _add(kind: str, items: Iterable[T], add: Callable[[int, T], None]) -> None:
        for index, item in enumerate(items):
            try:
                add(index, item)
            except (AttributeError, OverflowError, TypeError, ValueError) as error:
                raise GraphDocumentError("FG_FORMAT", index, "", f"{kind} {index}: {error}") from error

    def _string(self, text: str) -> int:
        number = self.strings.get(text)
        if number is None:
            if reason := _unfit(text):
                raise ValueError(reason)
            number = self.strings[text] = len(self.strings)
        return number

    def _put(self, **row: int) -> None:
        for name, value in row.items():
            self.arrays[name].append(value)

    def _add_type(self, _index: int, name: str) -> None:
        self._put(type_order=self._string(name))

    def _add_vertex(self, index: int, one: Vertex) -> None:
        string = self._string
        self._put(type=string(one.type), basename=string(one.basename), name=string(one.name), unit=string(one.unit))
        self._put(id=one.id, uniq_id=one.uniq_id, size=one.size, rank=one.rank, down=not one.up)
        for subsystem, path in one.paths.items():
            self._put(path_vertex=index, path_subsystem=string(subsystem), path_text=string(path))
        for key, value in one.properties.items():
            self._put(property_vertex=index, property_key=string(key), property_value=string(value))

    def _add_edge(self, _index: int, one: Edge) -> None:
        self._put(source=one.source, target=one.target, edge_subsystem=self._string(one.subsystem))

    def columns(self) -> tuple[Any, list[Any]]:
        """The C struct, and what it points into."""
        parts = [text.encode() for text in self.strings]
        start = array("Q", [0])
        for part in parts:
            start.append(start[-1] + len(part))
        buffers = {name: ffi.from_buffer(f"{_TYPES[data.typecode]}[]", data) for name, data in self.arrays.items()}
        buffers["text"] = ffi.from_buffer("char[]", b"".join(parts))
        buffers["start"] = ffi.from_buffer("uint64_t[]", start)
        counts = {
            "types": "type_order",
            "vertices": "type",
            "paths": "path_vertex",
            "properties": "property_vertex",
            "edges": "source",
        }
        sizes = {name: len(self.arrays[column]) for name, column in counts.items()}
        return ffi.new("fg_tables *", {"strings": len(parts), **sizes, **buffers}), list(buffers.values())


_TYPES = {"I": "uint32_t", "q": "int64_t", "i": "int32_t", "B": "uint8_t"}
_COLUMNS = {
    **dict.fromkeys(("type_order", "type", "basename", "name", "unit"), "I"),
    **dict.fromkeys(("id", "uniq_id", "size"), "q"),
    "rank": "i",
    "down": "B",
    **dict.fromkeys(("path_vertex", "path_subsystem", "path_text"), "I"),
    **dict.fromkeys(("property_vertex", "property_key", "property_value"), "I"),
    **dict.fromkeys(("source", "target", "edge_subsystem"), "I"),
}
