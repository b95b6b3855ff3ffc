"""A description as columns, in which the C core takes whole graphs: strings by number, fields in arrays. Used by core.py, which hands them over."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, TypeVar

from attrs import field, frozen

from fluxplug_pool_graph.readers.limits import GraphReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fluxplug_pool_graph.description import Description, Edge, Vertex

T = TypeVar("T")


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


@frozen
class Tables:
    """The columns of fg_tables, filled from a description: strings by number, fields in arrays."""

    strings: dict[str, int] = field(factory=dict)
    arrays: dict[str, array[int]] = field(factory=dict)

    @classmethod
    def of(cls, description: Description) -> Tables:
        """All of a description. Raises GraphDocumentError, with the index of the vertex or edge."""
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
            if reason := unfit(text):
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


def unfit(text: str) -> str:
    """Why a text cannot be a string of the core; "" where it can."""
    if "\0" in text:
        return "a string with NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a string that is not Unicode text"
    return ""


_COLUMNS = {
    **dict.fromkeys(("type_order", "type", "basename", "name", "unit"), "I"),
    **dict.fromkeys(("id", "uniq_id", "size"), "q"),
    "rank": "i",
    "down": "B",
    **dict.fromkeys(("path_vertex", "path_subsystem", "path_text"), "I"),
    **dict.fromkeys(("property_vertex", "property_key", "property_value"), "I"),
    **dict.fromkeys(("source", "target", "edge_subsystem"), "I"),
}
