"""Tables of a listing command: an output format, read once, prints many items of any kind by their attributes.

    formatter = OutputFormat("{id.f58:>12} ?:{queue:<8.8} +:{name:<10.10+} {runtime!F:>8h}", headings)
    formatter.print_items(jobs)

`?:` drops a column that is empty in every row, `+:` widens one to its longest value, `?+:` does both; `sort:[-]KEY,...` may begin the
format. What a field's specification means is in `formatter`; which formats have names, in `formats`.

A format is compiled column by column: printing n items calls one function for each value and joins the columns, so that 10,000 jobs take
a small part of a second.
"""

from __future__ import annotations

import re
import sys
from itertools import repeat
from operator import attrgetter
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.errors import FormatError
from fluxplug.listing.formatter import EMPTY, Field, parse_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SORT = re.compile(r"sort:(\S*)\s*")
_PREFIX = re.compile(r"(\?\+|\?|\+):$")
_LONGEST = 16_384  # characters of a format


class Column(NamedTuple):
    """One field of a format and the text before it."""

    literal: str
    name: str
    title: str
    field: Field
    may_drop: bool = False
    may_widen: bool = False

    @property
    def written(self) -> str:
        """The field as a format has it, without a prefix."""
        conversion = f"!{self.field.conversion}" if self.field.conversion else ""
        spec = f":{self.field.spec}" if self.field.spec else ""
        return f"{self.name}{conversion}{spec}"


class OutputFormat:
    """A format for items that have the attributes of `headings`, a mapping of field name (dots lead into a value) to column title.

    `prepend` is what stands before a field's name where the format is used with `str.format` (`get_format`). Raises FormatError (a
    ValueError) for an unknown field or sort key, a broken specification, or a format without fields.
    """

    def __init__(self, fmt: str, headings: Mapping[str, str], prepend: str = "0.") -> None:
        self.headings = headings
        self.prepend = prepend
        self._sort_keys: list[tuple[str, bool]] = []  # name, descending
        if len(fmt) > _LONGEST:
            raise FormatError(f"Invalid format: longer than {_LONGEST} characters")
        match = _SORT.match(fmt)
        if match:
            fmt = fmt[match.end() :]
            self.set_sort_keys(match[1])
        self._columns, self._tail = self._parse(fmt)
        self._cells = [(one.literal, self.getter(one.name), one.field.cell()) for one in self._columns]
        if not self._columns:
            raise FormatError(f"Invalid format {fmt!r}: it has no field; write a field as {{name}}")

    def title(self, name: str) -> str | None:
        """The heading of a field; None where there is no such field. Subclasses add fields whose names are open."""
        return self.headings.get(name)

    def getter(self, name: str) -> Callable[[Any], Any]:
        """A function from an item to the value of a field."""
        return attrgetter(name)

    def _parse(self, fmt: str) -> tuple[list[Column], str]:
        columns = []
        tail = ""
        try:
            parts = list(Formatter().parse(fmt))
        except ValueError as error:
            raise FormatError(f"Invalid format {fmt!r}: {error}") from error
        for literal, name, spec, conversion in parts:
            if name is None:
                tail += literal
                continue
            prefix = _PREFIX.search(literal)
            literal = tail + (literal[: prefix.start()] if prefix else literal)
            tail = ""
            signs = prefix[1] if prefix else ""
            title = self.title(name)
            if title is None:
                raise FormatError(f"Unknown format field: {name}")
            field = parse_field(conversion or "", spec or "")
            columns.append(Column(literal, name, title, field, "?" in signs, "+" in signs))
        return columns, tail

    @property
    def fields(self) -> list[str]:
        """The names of the fields, in the order of the format."""
        return [column.name for column in self._columns]

    def get_format(self) -> str:
        """The format as `UtilFormatter().format(text, item)` takes it: without prefixes, each name after `prepend`."""
        return self._written(self._columns, self.prepend)

    def _written(self, columns: list[Column], prepend: str) -> str:
        texts = [f"{_escaped(column.literal)}{{{prepend}{column.written}}}" for column in columns]
        return "".join([*texts, _escaped(self._tail)])

    def header(self, width: int = 0) -> str:
        """The line of headings, cut to `width` characters where that is above 0."""
        return _cut(self._header(self._columns), width)

    def _header(self, columns: list[Column]) -> str:
        return "".join([*(column.literal + column.field.heading(column.title) for column in columns), self._tail])

    def format(self, obj: Any) -> str:
        """The line of one item; no column is dropped or widened."""
        return "".join([*(literal + cell(get(obj)) for literal, get, cell in self._cells), self._tail])

    def filter(self, items: Iterable[Any]) -> str:
        """The format that `print_items(items)` would use: without prefixes and dropped columns, with the widths that were found."""
        columns, _ = self._fitted(list(items))
        return self._written(columns, "")

    def set_sort_keys(self, keys: str) -> None:
        """Sort by `[-]KEY,...`, the first key first; a minus sorts in descending order.

        Raises FormatError (a ValueError), and keeps the former keys, for a key that is no field.
        """
        found = []
        for key in keys.split(","):
            name = key.strip().lstrip("-")
            if self.title(name) is None:
                raise FormatError(f"Invalid sort key: {name}")
            found.append((name, key.strip().startswith("-")))
        self._sort_keys = found

    def sort_items(self, items: list[Any]) -> None:
        """Sort a list in place by the sort keys; what is equal keeps its order. Empty values come before numbers, these before texts."""
        for name, descending in reversed(self._sort_keys):
            get = self.getter(name)
            items.sort(key=lambda item, get=get: _sort_value(get(item)), reverse=descending)  # type: ignore[misc]

    def lines(self, items: Iterable[Any], no_header: bool = False, width: int = -1) -> list[str]:
        """The lines that `print_items` prints, without newlines."""
        rows = list(items)
        self.sort_items(rows)
        columns, values = self._fitted(rows)
        lines = [] if no_header else [self._header(columns)]
        lines += self._rows(columns, values) if columns else [self._tail] * len(rows)
        return [_cut(line, width) for line in lines] if width > 0 else lines

    def print_items(self, items: Iterable[Any], no_header: bool = False, width: int = -1) -> None:
        """Print headings and a line an item, sorted; cut to `width` characters, ending in `+`, where that is above 0.

        Raises FormatError for a value that a conversion cannot convert, before anything is printed.
        """
        lines = self.lines(items, no_header, width)
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")

    def _fitted(self, items: list[Any]) -> tuple[list[Column], list[list[Any]]]:
        """The columns to print for these items, with the values of each."""
        columns: list[Column] = []
        values: list[list[Any]] = []
        for column in self._columns:
            found = list(map(self.getter(column.name), items))
            if column.may_drop or column.may_widen:
                texts = list(map(column.field.text, found))
                if column.may_drop and all(text in EMPTY for text in texts):
                    continue
                if column.may_widen:
                    longest = max(map(len, texts), default=0)
                    column = column._replace(field=column.field.widened(longest))
            if not columns and column is not self._columns[0]:  # blanks that parted it from what was dropped
                column = column._replace(literal=column.literal.lstrip())
            columns.append(column)
            values.append(found)
        return columns, values

    def _rows(self, columns: list[Column], values: list[list[Any]]) -> Iterable[str]:
        parts: list[Iterable[str]] = []
        for column, found in zip(columns, values, strict=True):
            cell: Callable[[Any], str] = column.field.cell()
            if column.literal:
                parts.append(repeat(column.literal))
            parts.append(map(cell, found))
        if self._tail:
            parts.append(repeat(self._tail))
        return map("".join, zip(*parts))  # noqa: B905 - the literals repeat for ever


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _cut(line: str, width: int) -> str:
    return line if width <= 0 or len(line) <= width else line[: width - 1] + "+"


def _sort_value(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (1, value, "")
    text = str(value)
    return (2, 0, text) if text else (0, 0, "")
