"""Documents by what is in them: which reader a graph needs, and what an R or JGF says that some job holds.

Used where people hand in a text without naming its format: the library and the command `resource`. resource-query always names it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug_pool_graph.readers import GraphReadError, read
from fluxplug_pool_graph.readers.limits import load_json, shown

if TYPE_CHECKING:
    from fluxplug_pool_graph.description import Description

#: `scheduling.writer` of an R to the reader of its graph (fluxion.md section 10.2).
_WRITERS = {
    "fluxion": "jgf",
    "fluxion:": "jgf",
    "fluxion:jgf": "jgf",
    "fluxion:jgf_shorthand": "jgf_shorthand",
}
#: A JGF document as it usually begins: then it need not be parsed to be known.
_JGF_HEAD = re.compile(r'\s*\{\s*"graph"\s*:')


@frozen
class Holding:
    """What a document says that a job holds, as the reader `form` sees it; `start` and `end` in seconds, an `end` of 0 is open."""

    description: Description
    form: str
    start: int = 0
    end: int = 0


def guess_format(text: str) -> str:
    """The reader for a graph document, told from its text. Raises GraphReadError where it looks like none of them."""
    head = text[:4096]
    if head.lstrip("\ufeff \t\r\n").startswith("<"):
        if "<graphml" in head:
            return "grug"
        if "<topology" in head:
            return "hwloc"
    elif _JGF_HEAD.match(text):
        return "jgf"
    else:
        document = _object(text)
        if "graph" in document:
            return "jgf"
        if "execution" in document:
            return "rv1exec"
    raise GraphReadError("document", "neither JGF, nor an R of version 1, nor GraphML, nor hwloc XML; name its format")


def read_graph(text: str, form: str = "") -> Description:
    """The machine of a document. Without a `form` it is told from the text, and the graph in an R's `scheduling` is preferred.

    Raises GraphReadError, UnknownReaderError.
    """
    if not form and (form := guess_format(text)) == "rv1exec":
        return read_holding(text).description
    return read(form, text)


def read_holding(text: str, fallback: str = "jgf") -> Holding:
    """What a job holds: an R of version 1, by the graph in its `scheduling` if there is one; JGF; or for the reader `fallback`.

    Raises GraphReadError.
    """
    if text.lstrip().startswith("<"):
        return Holding(read(fallback, text), fallback)
    document = _object(text)
    if "execution" not in document and "graph" in document:
        return Holding(read(_form_of(document, ""), text), _form_of(document, ""))
    if "execution" not in document:
        return Holding(read(fallback, text), fallback)
    execution = document["execution"]
    start, end = (_seconds(execution, key) for key in ("starttime", "expiration"))
    graph = document.get("scheduling")
    if graph is None:
        return Holding(read("rv1exec", text), "rv1exec", start, end)
    if not isinstance(graph, dict):
        raise GraphReadError("scheduling", f"expected an object, got {shown(graph)}")
    form = _form_of(graph, "scheduling.")
    return Holding(read(form, json.dumps(graph)), form, start, end)


def _form_of(graph: dict[str, Any], where: str) -> str:
    writer = graph.get("writer", "fluxion")
    form = _WRITERS.get(writer) if isinstance(writer, str) else None
    if form is None:
        raise GraphReadError(f"{where}writer", f"expected one of {', '.join(_WRITERS)}, got {shown(writer)}")
    return form


def _seconds(execution: Any, key: str) -> int:
    value = execution.get(key, 0) if isinstance(execution, dict) else 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**63:
        raise GraphReadError(f"execution.{key}", f"expected seconds, 0 or more, got {shown(value)}")
    return int(value)


def _object(text: str) -> dict[str, Any]:
    document = load_json(text)
    if not isinstance(document, dict):
        raise GraphReadError("document", f"expected an object, got {shown(document)}")
    return document
