"""From text to plain JSON values, for documents that strangers send: jobspecs as JSON or YAML.

The result is a tree of dict, list, str, int, float, bool and None, bounded in depth and size. It says nothing about what a jobspec is:
that is `validate`. YAML is read from its events, so that no recursion, tag or alias can do more than the limits below.
"""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

from attrs import define

from fluxplug.errors import DocumentError, DocumentTypeError

# Room for resources and constraints of 100 levels, each a mapping in a list; far from Python's recursion limit.
MAX_NESTING = 256
# Values in one document, each use of an alias counted.
MAX_NODES = 1_000_000
# A jobspec with its script and input files inside.
MAX_TEXT = 16 << 20
# The YAML reader is some hundred times slower than the JSON reader; nobody writes this much by hand.
MAX_YAML = 1 << 19

_YAML = "tag:yaml.org,2002:"


class Readable(Protocol):
    """A text or binary file."""

    def read(self, size: int, /) -> str | bytes: ...


def load_document(source: str | bytes | Readable) -> Any:
    """The plain value of a JSON or YAML text, given as such or as an open file.

    YAML is understood without tags (`!!str` apart), merge keys and dates; an alias is a copy. Raises DocumentError for anything that
    is neither, is too large or too deep, or has the same key twice.
    """
    try:
        text = _decode(source if isinstance(source, (str, bytes)) else source.read(MAX_TEXT + 1))
    except UnicodeDecodeError as error:
        raise DocumentError("", f"not UTF-8: {error}") from error
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            if len(text) > MAX_YAML:  # else it may still be YAML, and then that reader's message is as good
                raise DocumentError("", f"not JSON: {error}") from error
        except RecursionError:
            raise DocumentError("", f"nested deeper than {MAX_NESTING} levels") from None
        except DocumentError:
            raise
        except ValueError as error:  # an integer of more digits than Python converts
            raise DocumentError("", f"not JSON: {error}") from error
    if len(text) > MAX_YAML:
        raise DocumentError("", f"YAML longer than {MAX_YAML} characters: give it as JSON")
    return _load_yaml(text)


def check_plain(value: Any, path: str, depth: int = 1) -> int:
    """The number of values in `value`, itself included, after a look at each.

    Raises DocumentError for more than MAX_NESTING levels or MAX_NODES values, integers beyond 64 bits, numbers that are not finite and
    texts that are not Unicode; DocumentTypeError for what JSON cannot express.
    """
    if not isinstance(value, (dict, list, tuple)):
        _check_scalar(value, path)
        return 1
    if depth > MAX_NESTING:
        raise DocumentError(path, f"nested deeper than {MAX_NESTING} levels")
    nodes = 1 + len(value)
    if isinstance(value, dict):
        for key, child in value.items():
            if type(key) is not str or not key.isascii():
                _check_key(key, path)
            if type(child) is not str or not child.isascii():
                nodes += check_plain(child, f"{path}.{key}" if path else key, depth + 1) - 1
    else:
        for i, child in enumerate(value):
            if type(child) is not str or not child.isascii():
                nodes += check_plain(child, f"{path}[{i}]", depth + 1) - 1
    if nodes > MAX_NODES:
        raise DocumentError(path, f"more than {MAX_NODES} values")
    return nodes


def _check_key(key: Any, path: str) -> None:
    if not isinstance(key, str):
        raise DocumentTypeError(path, f"key {key!r} must be a string")
    _check_scalar(key, path)


def _check_scalar(value: Any, path: str) -> None:
    if value is None:
        return
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DocumentError(path, "not a Unicode text: it holds half of a surrogate pair") from None
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise DocumentError(path, "an integer must fit in 64 bits")
    elif not isinstance(value, float):
        raise DocumentTypeError(path, f"{type(value).__name__} has no place in a JSON document")
    elif not math.isfinite(value):
        raise DocumentError(path, "must be a finite number")


def _decode(raw: str | bytes) -> str:
    if len(raw) > MAX_TEXT:
        raise DocumentError("", f"longer than {MAX_TEXT} bytes")
    return raw.removeprefix("\ufeff") if isinstance(raw, str) else raw.decode("utf-8-sig")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DocumentError("", f"key {key!r} is given twice")
            seen.add(key)
    return found


def _no_constant(name: str) -> Any:
    raise DocumentError("", f"{name} is not JSON")


def _load_yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - 15 ms that only YAML readers pay

    try:
        loader = yaml.SafeLoader(text)
        return _YamlBuilder(yaml, loader).build()
    except yaml.YAMLError as error:
        raise DocumentError("", "not YAML: " + " ".join(str(error).split())) from error
    except (ValueError, OverflowError) as error:  # PyYAML converts escapes and numbers without a check
        if isinstance(error, DocumentError):
            raise
        raise DocumentError("", f"not YAML: {error}") from error


@define
class _Open:
    """A container that is being filled."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    nodes: int = 1
    height: int = 1
    key: str | None = None  # a mapping's key that waits for its value


class _YamlBuilder:
    """Builds the value of the one document in a stream of YAML events."""

    def __init__(self, yaml: Any, loader: Any) -> None:
        self.yaml = yaml
        self.loader = loader
        self.open = [_Open([], None)]  # the outermost holds the document
        self.anchors: dict[str, tuple[Any, int, int]] = {}  # value, nodes, height
        self.nodes = 0
        self.mark: Any = None

    def build(self) -> Any:
        yaml, outermost = self.yaml, self.open[0]
        while self.loader.check_event():
            event = self.loader.get_event()
            self.mark = event.start_mark
            if isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event), 1, 1, event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self.anchors:
                    raise self._error(f"alias {event.anchor!r} of nothing that is complete")
                value, nodes, height = self.anchors[event.anchor]
                self._add(value, nodes, height, None, alias=True)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._refuse_tag(event)
                self.open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
                if len(self.open) > MAX_NESTING + 1:
                    raise self._error(f"nested deeper than {MAX_NESTING} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self.open.pop()
                self._add(done.value, done.nodes, done.height, done.anchor)
            elif isinstance(event, yaml.DocumentStartEvent) and outermost.value:
                raise self._error("more than one document")
        if not outermost.value:
            raise DocumentError("", "an empty document")
        return outermost.value[0]  # type: ignore[index]

    def _add(self, child: Any, nodes: int, height: int, anchor: str | None, alias: bool = False) -> None:
        parent = self.open[-1]
        # What an anchored container holds was counted when it was read.
        self.nodes += nodes if alias else 1
        if self.nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} values")
        if len(self.open) - 1 + height > MAX_NESTING + 1:
            raise self._error(f"nested deeper than {MAX_NESTING} levels")
        if anchor is not None:
            self.anchors[anchor] = (child, nodes, height)
        parent.nodes += nodes
        parent.height = max(parent.height, height + 1)
        if alias:
            child = _copy(child)
        if isinstance(parent.value, list):
            parent.value.append(child)
        elif parent.key is not None:
            parent.value[parent.key] = child
            parent.key = None
        elif not isinstance(child, str):
            raise self._error("a key must be a string: put quotes around it")
        elif child in parent.value:
            raise self._error(f"key {child!r} is given twice")
        else:
            parent.key = child

    def _scalar(self, event: Any) -> Any:
        self._refuse_tag(event)
        if not event.implicit[0]:
            return event.value
        tag = self.loader.resolve(self.yaml.ScalarNode, event.value, event.implicit)
        if tag == _YAML + "merge":
            raise self._error("merge keys (<<) are not understood")
        node = self.yaml.ScalarNode(tag, event.value)
        if tag == _YAML + "int":
            return self.loader.construct_yaml_int(node)
        if tag == _YAML + "float":
            return self.loader.construct_yaml_float(node)
        if tag == _YAML + "bool":
            return self.loader.construct_yaml_bool(node)
        return None if tag == _YAML + "null" else event.value

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in (None, "!", _YAML + "str", _YAML + "map", _YAML + "seq"):
            raise self._error(f"tag {event.tag!r} is not understood")

    def _error(self, reason: str) -> DocumentError:
        return DocumentError("", f"{reason} (line {self.mark.line + 1}, column {self.mark.column + 1})")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value
