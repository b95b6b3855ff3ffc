"""From text to plain JSON values, for documents that strangers send: jobspecs as JSON or YAML.

The result is a tree of dict, list, str, int, float, bool and None, bounded in depth and size. It says nothing about what a jobspec is:
that is `validate`. YAML is `yaml`'s.
"""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

from fluxplug.errors import DocumentError, DocumentTypeError

# Room for resources and constraints of 100 levels, each a mapping in a list; far from Python's recursion limit.
MAX_NESTING = 256
# Values in one document, each use of an alias counted.
MAX_NODES = 1_000_000
# A jobspec with its script and input files inside.
MAX_TEXT = 16 << 20
# The YAML reader is some hundred times slower than the JSON reader; nobody writes this much by hand.
MAX_YAML = 1 << 19


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
    from fluxplug.jobspec.yaml import load_yaml  # noqa: PLC0415 - PyYAML is slow to import

    return load_yaml(text)


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
            kind = type(child)
            if kind is str:
                if not child.isascii():
                    _check_scalar(child, f"{path}.{key}" if path else key)
            elif kind is not int or not -(2**63) <= child < 2**64:
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
