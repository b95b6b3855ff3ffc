"""Reads R documents of version 1 (RFC 20): every rule of the format, with the path of what breaks it, and its bounds.

Not the set: that is `rset.Rv1Set`, whose constructor is the caller of this.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn, TypeAlias

from fluxplug.errors import DocumentError, ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

#: The most ranks in one set, and one more than the highest core or GPU id of a rank: beyond every machine, within memory.
MAX_RANKS = 2**20
MAX_IDS = 2**20
#: The most mask bits over all entries of one document: a small text must not ask for gigabytes.
MAX_BITS = 2**28

#: What a rank has: the mask of its cores, the mask of its GPUs.
Node: TypeAlias = "tuple[int, int]"

# RFC 20's list for property names; RFC 31 makes a leading ^ a negation.
_NOT_IN_PROPERTY = re.compile(r"[!&'\"^`|()]")


class MissingKeyError(DocumentError, KeyError):
    """A document without a key that it must have."""

    __str__ = Exception.__str__


class Contents(NamedTuple):
    """What an R document says; `named` tells whether it has a nodelist."""

    nodes: dict[int, Node]
    hosts: dict[int, str]
    named: bool
    properties: dict[str, IDset]
    starttime: float
    expiration: float
    nslots: int
    scheduling: dict[str, Any] | None


def read_r(arg: Mapping[str, Any] | str) -> Contents:
    """Read an R document or its JSON text; linear in its ranks.

    Raises ParseError for a text that is not JSON, DocumentError for a document that is not R (also a KeyError where `version` is
    missing), TypeError for anything else.
    """
    document = read_json(arg) if isinstance(arg, str) else arg
    if not isinstance(document, Mapping):
        if isinstance(arg, str):
            raise DocumentError("", "R is not an object")
        raise TypeError(f"expected an R document, its JSON text or a resource set, not {type(arg).__name__}")
    if "version" not in document:
        raise MissingKeyError("version", "missing")
    if document["version"] != 1 or isinstance(document["version"], bool):
        raise DocumentError("version", f"R version {document['version']!r:.40} not supported")
    execution = document.get("execution", {})
    if not isinstance(execution, Mapping):
        _fail("execution", "expected an object")
    nodes = _read_nodes(execution.get("R_lite", []))
    nslots = execution.get("nslots", 0)
    if not isinstance(nslots, int) or isinstance(nslots, bool) or nslots < 0:
        _fail("execution.nslots", "expected a positive integer")
    scheduling = document.get("scheduling")
    if scheduling is not None and not isinstance(scheduling, dict):
        _fail("scheduling", "expected an object")
    named = "nodelist" in execution
    return Contents(
        nodes=nodes,
        hosts=_read_nodelist(execution["nodelist"], nodes) if named else {},
        named=named,
        properties=_read_properties(execution.get("properties", {}), nodes),
        starttime=_read_time(execution.get("starttime", 0), "execution.starttime"),
        expiration=_read_time(execution.get("expiration", 0), "execution.expiration"),
        nslots=nslots,
        scheduling=scheduling,
    )


def read_json(text: str) -> Any:
    """Parse JSON text. Raises ParseError, whatever is wrong with it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(error.msg, text, error.pos) from error
    except RecursionError as error:
        raise ParseError("nested too deeply", text, 0) from error
    except ValueError as error:  # an integer of over 4300 digits
        raise ParseError(str(error), text, 0) from error


def check_property(name: str, path: str) -> None:
    """Raise DocumentError, at `path`, for a name that no property can have."""
    if not name:
        raise DocumentError(path, "property name must not be empty")
    if name[0] == "^":
        raise DocumentError(path, f"invalid property name {name[:80]!r}: '^' is reserved for constraint negation")
    bad = _NOT_IN_PROPERTY.search(name)
    if bad:
        raise DocumentError(path, f"invalid property name {name[:80]!r}: it contains {bad.group()!r}")


def _read_nodes(entries: Any) -> dict[int, Node]:
    if not isinstance(entries, list):
        _fail("execution.R_lite", "expected a list")
    nodes: dict[int, Node] = {}
    bits = 0
    for number, entry in enumerate(entries):
        path = f"execution.R_lite[{number}]"
        children = entry.get("children") if isinstance(entry, Mapping) else None
        if not isinstance(children, Mapping) or "rank" not in entry or "core" not in children:
            _fail(path, "expected rank, and children with core")
        ranks = _read_ids(entry["rank"], f"{path}.rank")
        if len(nodes) + ranks.count() > MAX_RANKS:
            _fail(f"{path}.rank", f"more than {MAX_RANKS} ranks")
        cores = _read_mask(children["core"], f"{path}.children.core")
        gpus = _read_mask(children.get("gpu", ""), f"{path}.children.gpu")
        bits += cores.bit_length() + gpus.bit_length()
        if bits > MAX_BITS:
            _fail(path, "too many cores and GPUs in one document")
        # A rank may stand in several entries; it has what they say together.
        again = {r: (nodes[r][0] | cores, nodes[r][1] | gpus) for r in ranks if r in nodes} if nodes else {}
        nodes.update(dict.fromkeys(ranks, (cores, gpus)))
        nodes.update(again)
    return nodes


def _read_mask(text: Any, path: str) -> int:
    ids = _read_ids(text, path)
    if ids and ids.last() >= MAX_IDS:
        _fail(path, f"the id of a core or GPU must be below {MAX_IDS}")
    return ids.mask()


def _read_nodelist(nodelist: Any, nodes: dict[int, Node]) -> dict[int, str]:
    if not isinstance(nodelist, list) or not all(isinstance(text, str) for text in nodelist):
        _fail("execution.nodelist", "expected a list of hostlist strings")
    try:
        hosts = Hostlist(nodelist).expand()
    except ParseError as error:
        raise DocumentError("execution.nodelist", str(error)) from error
    if len(hosts) != len(nodes):
        _fail("execution.nodelist", f"{len(hosts)} host names for {len(nodes)} ranks")
    return dict(zip(sorted(nodes), hosts, strict=True))


def _read_properties(properties: Any, nodes: dict[int, Node]) -> dict[str, IDset]:
    if not isinstance(properties, Mapping):
        _fail("execution.properties", "expected an object")
    ranks = IDset(nodes) if properties else IDset()
    found = {}
    for name, text in properties.items():
        path = f"execution.properties.{str(name)[:80]}"
        if not isinstance(name, str):
            _fail(path, "a property name is a string")
        check_property(name, path)
        ids = _read_ids(text, path)
        if ids - ranks:
            _fail(path, f"ranks {str(ids - ranks)[:80]} not in resource set")
        if ids:
            found[name] = ids
    return found


def _read_ids(text: Any, path: str) -> IDset:
    if not isinstance(text, str):
        _fail(path, "expected an idset string")
    try:
        return IDset(text)
    except ParseError as error:
        raise DocumentError(path, str(error)) from error


def _read_time(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _fail(path, "expected a number of seconds")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 <= seconds < math.inf:
        _fail(path, "expected a finite number of seconds, 0 or more")
    return seconds


def _fail(path: str, reason: str) -> NoReturn:
    raise DocumentError(path, reason)
