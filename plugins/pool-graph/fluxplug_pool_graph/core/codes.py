"""The one place where codes of the C core become exceptions."""

from __future__ import annotations

from typing import Any

from fluxplug_graph import ffi, lib

from fluxplug.errors import FluxplugError, InfeasibleRequest, InsufficientResources
from fluxplug_pool_graph.tables import GraphDocumentError

NONE: int = lib.FG_NONE


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
    name = text_of(lib.fg_code_name(code))
    if error is not None:
        raise GraphDocumentError(name, error.offset, text_of(error.text), text_of(error.detail))
    kinds: dict[int, type[FluxplugError]] = {
        lib.FG_NOT_FOUND: GraphLookupError,
        lib.FG_INVALID: GraphArgumentError,
        lib.FG_BUSY: InsufficientResources,
        lib.FG_RANGE: InfeasibleRequest,
    }
    if code in _DOCUMENT:
        raise GraphDocumentError(name, 0, "", what)
    raise kinds[code](what or name)


def text_of(chars: Any) -> str:
    """A C string that the core has checked; messages may quote bytes of a document that it has not."""
    return str(ffi.string(chars).decode("utf-8", errors="replace"))


def index_of(number: int) -> int | None:
    return None if number == NONE else int(number)
