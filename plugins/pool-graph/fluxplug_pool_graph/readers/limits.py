"""What every reader of graph documents shares: the error, the limits, and JSON and XML read without surprises.

Not here: what the documents mean. The limits are far beyond every machine; they keep a small text from asking for all memory. They
are looked up at each use, so that a service (or a test) may lower them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn
from xml.parsers import expat

from fluxplug.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Length of a document: bytes, or characters where it comes as a str.
MAX_BYTES = 2**31
#: Nesting of JSON values and XML elements, and levels of a GRUG recipe.
MAX_DEPTH = 100
MAX_VERTICES = 20_000_000
MAX_EDGES = 100_000_000
#: Characters of a type, a basename or a host name from which a reader makes paths.
MAX_NAME = 4096
#: Characters of all paths that a reader makes.
MAX_PATH_CHARACTERS = 2**33

#: Ids, ranks and sizes are signed 64-bit numbers.
MIN_INT, MAX_INT = -(2**63), 2**63 - 1

_FIRST_TOKEN = re.compile(r"[A-Za-z]+|-?[0-9][0-9.eE+-]*|\"(?:[^\"\\\n]|\\.)*\"?|.")
_TRAILING_DIGITS = re.compile(r"[0-9]+\Z")


class GraphReadError(DocumentError):
    """A graph document that cannot be read. `path` names the place, `reason` what is wrong there.

    `texts` holds the lines with which the original reports the case (fluxion.md section 9.4), without line ends, or nothing.
    """

    def __init__(self, path: str, reason: str, texts: Iterable[str] = ()) -> None:
        super().__init__(path, reason)
        self.texts = tuple(texts)

    @property
    def recorded(self) -> str:
        """`texts` as the original prints them: every line is ended, except a fragment (one that ends in `; `)."""
        return "".join(text if text.endswith("; ") else text + "\n" for text in self.texts)


def shown(value: object) -> str:
    """The repr of a foreign value, cut to a length that fits an error message."""
    text = (
        repr(value) if not isinstance(value, (dict, list)) else f"an {'object' if isinstance(value, dict) else 'array'}"
    )
    return text if len(text) <= 80 else text[:77] + "..."


def decode(text: str | bytes, texts: Iterable[str] = ()) -> str:
    """The document as valid text. Raises GraphReadError where it is too long or not UTF-8; linear."""
    if len(text) > MAX_BYTES:
        raise GraphReadError("document", f"{len(text)} bytes, the limit is {MAX_BYTES}", texts)
    try:
        if isinstance(text, bytes):
            return text.decode()
        if not text.isascii():
            text.encode()
    except UnicodeError as error:
        raise GraphReadError(f"offset {getattr(error, 'start', 0)}", "not UTF-8 text", texts) from error
    return text


def check_vertices(count: int, place: str, texts: Iterable[str] = ()) -> None:
    """Raise GraphReadError, at `place`, where a document leads to more than MAX_VERTICES vertices."""
    if count > MAX_VERTICES:
        raise GraphReadError(place, f"leads to {count} vertices, the limit is {MAX_VERTICES}", texts)


def check_name(name: str, place: str, texts: Iterable[str] = ()) -> str:
    """Return `name`, which will be a part of a path; raise GraphReadError, at `place`, where it cannot be one."""
    if not name or "/" in name:
        raise GraphReadError(
            place, f"{shown(name)} cannot be a part of a path: it must not be empty nor have a /", texts
        )
    if len(name) > MAX_NAME:
        raise GraphReadError(place, f"a name of {len(name)} characters, the limit is {MAX_NAME}", texts)
    return name


def split_host(host: str, place: str) -> tuple[str, int]:
    """Basename and id of a host name: `a012` is (`a`, 12), `a` is (`a`, -1), `007` is (`007`, 7).

    Raises GraphReadError, at `place`, where the number does not fit 64 bits.
    """
    found = _TRAILING_DIGITS.search(host)
    if found is None:
        return host, -1
    return host[: found.start()] or host, to_id(found.group(), place)


def to_id(digits: str, place: str) -> int:
    """The number of a run of decimal digits. Raises GraphReadError, at `place`, where it does not fit 64 bits."""
    digits = digits.lstrip("0")
    # The length first: int() of a long text is slow, and CPython refuses over 4300 digits.
    if len(digits) > 19 or int(digits or "0") > MAX_INT:
        raise GraphReadError(place, f"the number {digits[:40]} does not fit 64 bits")
    return int(digits or "0")


def load_json(text: str | bytes, prefix: str = "") -> Any:
    """The value of a JSON document; linear.

    Raises GraphReadError for a text that is not JSON, is nested too deeply, has a key twice in one object, or has strings that are
    not Unicode. With a `prefix`, `texts` of a syntax error is one line that begins with it.
    """
    text = decode(text)
    repeated: list[tuple[dict[str, Any], str]] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            repeated.append((made, next(name for k, name in enumerate(names) if name in names[:k])))
        return made

    try:
        document = json.loads(text, object_pairs_hook=build, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        lines = _syntax_texts(prefix, text, error)
        raise GraphReadError(f"line {error.lineno} column {error.colno}", f"not JSON: {error.msg}", lines) from error
    except RecursionError as error:
        raise GraphReadError("document", f"nested too deeply, the limit is {MAX_DEPTH}") from error
    except ValueError as error:  # an integer of over 4300 digits, a constant that JSON does not have
        raise GraphReadError("document", f"not JSON: {error}") from error
    if repeated:
        # Objects are built from the inside out, so the last one is in no other of these and still stands in the document.
        owner, name = repeated[-1]
        raise GraphReadError(_place_of(document, owner) or "document", f"the key {shown(name)} stands twice")
    _check_depth(document)
    if "\\u" in text:
        _check_strings(document)
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _syntax_texts(prefix: str, text: str, error: json.JSONDecodeError) -> tuple[str, ...]:
    if not prefix:
        return ()
    start = len(text) - len(text.lstrip(" \t\r\n"))
    token = _FIRST_TOKEN.match(text, start)
    if token is None:
        why, stop = "'[' or '{' expected near end of file", len(text)
    elif token.group() not in ("{", "["):
        why, stop = f"'[' or '{{' expected near '{token.group()[:40]}'", token.end()
    else:
        why, stop = error.msg, error.pos
    line = text.count("\n", 0, stop) + 1
    return (f"{prefix}{why}: <string>@{line}:{stop - (text.rfind(chr(10), 0, stop) + 1)}.",)


def _check_depth(document: Any) -> None:
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [v for c in level for v in (c.values() if type(c) is dict else c) if type(v) is dict or type(v) is list]
    if level:
        raise GraphReadError("document", f"nested too deeply, the limit is {MAX_DEPTH}")


def _check_strings(document: Any) -> None:
    """Escapes can write what is no text: half a surrogate pair, and NUL, which ends a name in C."""
    for place, value in _walk(document):
        for text in (
            (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else (value,)
        ):
            if isinstance(text, str) and ("\0" in text or any("\ud800" <= c <= "\udfff" for c in text)):
                raise GraphReadError(
                    place or "document", f"the string {shown(text)} has a character that no name can have"
                )


def _place_of(document: Any, wanted: Any) -> str:
    return next((place for place, value in _walk(document) if value is wanted), "")


def _walk(document: Any) -> Iterable[tuple[str, Any]]:
    """Every object and array of a document with its place."""
    todo: list[tuple[str, Any]] = [("", document)]
    while todo:
        place, value = todo.pop()
        yield place, value
        if isinstance(value, dict):
            inner = [(f"{place}.{k}" if place else k, v) for k, v in value.items() if isinstance(v, (dict, list))]
        elif isinstance(value, list):
            inner = [(f"{place}[{k}]", v) for k, v in enumerate(value) if isinstance(v, (dict, list))]
        else:
            continue
        todo += reversed(inner)


class XmlReader:
    """Reads XML with expat: subclasses override `start` and `end`. No entity is declared or fetched, no default filled in.

    Character data is collected only while `collecting` is set, which `start` sets; all other text is tolerated and dropped.
    """

    #: The `texts` of every error.
    texts: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.collecting = False
        self._depth = 0
        self._pieces: list[str] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.specified_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity
        parser.SkippedEntityHandler = self._entity

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; the document element first."""

    def end(self, tag: str, text: str) -> None:
        """An element ends; `text` is what was collected."""

    def parse(self, text: str | bytes) -> None:
        """Read a whole document, once; linear. Raises GraphReadError."""
        try:
            self._parser.Parse(decode(text, self.texts), True)
        except expat.ExpatError as error:
            reason = f"not XML: {expat.ErrorString(error.code)}"
            raise GraphReadError(f"line {error.lineno}", reason, self.texts) from error
        except ValueError as error:
            if isinstance(error, GraphReadError):
                raise
            raise GraphReadError("document", f"not XML: {error}", self.texts) from error

    @property
    def line(self) -> int:
        """The 1-based line that is being read."""
        return self._parser.CurrentLineNumber

    def fail(self, reason: str, texts: Iterable[str] | None = None) -> NoReturn:
        """Raise GraphReadError at the current line."""
        raise GraphReadError(f"line {self.line}", reason, self.texts if texts is None else texts)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(f"elements nested too deeply, the limit is {MAX_DEPTH}")
        self.collecting = False
        self._pieces.clear()
        self.start(tag, attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        text = "".join(self._pieces)
        self._pieces.clear()
        self.collecting = False
        self.end(tag, text)

    def _text(self, data: str) -> None:
        if self.collecting:
            self._pieces.append(data)

    def _entity(self, *_: object) -> NoReturn:
        self.fail("entities are not accepted")
