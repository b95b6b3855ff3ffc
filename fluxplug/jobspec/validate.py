"""The rules of a jobspec: canonical (RFC 14) and version 1 (RFC 25).

They check what a jobspec document says, not whether a machine could run it. They are written out by hand, because every submission
pays for them. Where the RFCs and Flux's Python classes differ:

- Flux's leniencies that its own users rely on stay: a count of 0 for all but node, slot and core; any resource graph in version 1 (an
  RFC 14 example has such); a task's slot that no slot is labelled with; a `total` beyond the slots (an RFC 25 example has it).
- What Flux's classes let through and the RFC texts forbid is refused: empty lists of resources, tasks or children, two slots with one
  label, a count of True, a `duration` that is negative or no number, two tasks or a `per_slot` other than 1 in version 1.

A wrong type is a DocumentTypeError, a wrong value a DocumentError, as they are TypeError and ValueError in Flux; each has the path.
"""

from __future__ import annotations

import math
from typing import Any

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.document import check_plain

KEYS = ("version", "resources", "tasks", "attributes")
# Resources nested deeper than this are refused: beyond any machine, and far below Python's recursion limit.
MAX_DEPTH = 100
# More vertices than any matcher could use; a request of one node a vertex for the largest machine has fewer.
MAX_VERTICES = 1 << 18

_AT_LEAST_ONE = frozenset({"node", "slot", "core"})
_TASK_COUNTS = ("per_slot", "total", "per_resource")


def check_keys(doc: Any) -> None:
    """A jobspec document is a mapping with exactly the KEYS."""
    if not isinstance(doc, dict):
        raise DocumentTypeError("", f"a jobspec must be a mapping, not {type(doc).__name__}")
    for key in KEYS:
        if key not in doc:
            raise DocumentError("", f"Missing key ({key})")
    if len(doc) > len(KEYS):
        extra = next(key for key in doc if key not in KEYS)
        raise DocumentError("", f"Extraneous key ({extra})")


def check_canonical(doc: dict[str, Any]) -> None:
    """Check a document that has the KEYS against RFC 14. Linear in its size; 100 levels of resources at most."""
    version = doc["version"]
    if type(version) is not int:
        raise DocumentTypeError("version", f"must be an integer, not {type(version).__name__}")
    if version < 1:
        raise DocumentError("version", "version must be >= 1")
    vertices = _list(doc["resources"], "resources", "a sequence")
    if not vertices:
        raise DocumentError("resources", "must not be empty")
    _check_vertices(vertices, "resources", 1, _Seen())
    tasks = _list(doc["tasks"], "tasks", "a sequence")
    if not tasks:
        raise DocumentError("tasks", "must not be empty")
    for i, task in enumerate(tasks):
        _check_task(task, f"tasks[{i}]")
    _check_attributes(doc["attributes"])
    check_plain(doc, "")


def check_v1(doc: dict[str, Any]) -> None:
    """Check a document that has the KEYS against RFC 14 and what version 1 adds (RFC 25)."""
    version = doc["version"]
    if type(version) is not int or version != 1:
        raise DocumentError("version", "version must be 1")
    check_canonical(doc)
    _check_fixed_counts(doc["resources"], "resources")
    if len(doc["tasks"]) != 1:
        raise DocumentError("tasks", "version 1 has exactly one task")
    count = doc["tasks"][0]["count"]
    if "per_resource" in count:
        raise DocumentError("tasks[0].count", "count per_slot or total must be set")
    if count.get("per_slot", 1) != 1:
        raise DocumentError("tasks[0].count.per_slot", "must be 1 in version 1: use total")
    if "system" not in doc["attributes"]:
        raise DocumentError("attributes", "attributes.system is a required key")
    if "duration" not in doc["attributes"]["system"]:
        raise DocumentError("attributes.system", "attributes.system.duration is a required key")


class _Seen:
    """What is known of the vertices so far."""

    __slots__ = ("labels", "vertices")

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.vertices = 0


def _wrong_type(value: Any, path: str, wanted: str) -> DocumentTypeError:
    return DocumentTypeError(path, f"must be {wanted}, not {type(value).__name__}")


def _list(value: Any, path: str, wanted: str = "a list") -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(value, path, wanted)
    return value


def _mapping(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(value, path, "a mapping")
    return value


def _check_vertices(vertices: list[Any] | tuple[Any, ...], path: str, depth: int, seen: _Seen) -> None:
    if depth > MAX_DEPTH:
        raise DocumentError(path, f"resources nested deeper than {MAX_DEPTH} levels")
    seen.vertices += len(vertices)
    if seen.vertices > MAX_VERTICES:
        raise DocumentError(path, f"more than {MAX_VERTICES} resource vertices")
    for i, vertex in enumerate(vertices):
        _check_vertex(vertex, f"{path}[{i}]", depth, seen)


def _check_vertex(vertex: Any, path: str, depth: int, seen: _Seen) -> None:
    if not isinstance(vertex, dict):
        raise DocumentTypeError(path, f"resource must be a mapping, not {type(vertex).__name__}")
    if "type" not in vertex:
        raise DocumentError(path, "type is a required key for resources")
    if "count" not in vertex:
        raise DocumentError(path, "count is a required key for resources")
    kind, count = vertex["type"], vertex["count"]
    if not isinstance(kind, str):
        raise _wrong_type(kind, f"{path}.type", "a string")
    if type(count) is not int or not 0 < count < 2**31:
        _check_count(count, f"{path}.count", 1 if kind in _AT_LEAST_ONE else 0)
    for key, value in vertex.items():
        if key == "with":
            if not _list(value, f"{path}.with"):
                raise DocumentError(f"{path}.with", "must not be empty: leave it out where there is nothing")
        elif key == "exclusive":
            if not isinstance(value, bool):
                raise _wrong_type(value, f"{path}.exclusive", "a boolean")
        elif key in ("label", "unit", "id") and not isinstance(value, str):
            raise _wrong_type(value, f"{path}.{key}", "a string")
    if kind == "slot":
        if "label" not in vertex:
            raise DocumentError(path, "slots must have labels")
        if "with" not in vertex:
            raise DocumentError(path, "slots must have resources in 'with'")
        if vertex["label"] in seen.labels:
            raise DocumentError(f"{path}.label", f"another slot has the label {vertex['label']!r}")
        seen.labels.add(vertex["label"])
    if "with" in vertex:
        _check_vertices(vertex["with"], f"{path}.with", depth + 1, seen)


def _check_count(count: Any, path: str, minimum: int) -> None:
    if isinstance(count, bool):
        raise _wrong_type(count, path, "an integer, a string or a mapping")
    from fluxplug.values.count import check_count  # noqa: PLC0415 - most counts are plain integers

    check_count(count, path, minimum=minimum)
    if isinstance(count, dict) and isinstance(count.get("max"), float):
        raise DocumentTypeError(path, "max must be an integer: leave it out where there is none")


def _check_fixed_counts(vertices: list[dict[str, Any]], path: str) -> None:
    for i, vertex in enumerate(vertices):
        count = vertex["count"]
        if not isinstance(count, int):
            raise DocumentError(
                f"{path}[{i}].count",
                f"resource count must be an integer for type {vertex['type']!r} (got {type(count).__name__!r})",
            )
        if "with" in vertex:
            _check_fixed_counts(vertex["with"], f"{path}[{i}].with")


def _check_task(task: Any, path: str) -> None:
    if not isinstance(task, dict):
        raise DocumentTypeError(path, f"task must be a mapping, not {type(task).__name__}")
    for key in ("command", "slot", "count"):
        if key not in task:
            raise DocumentError(path, f"Missing key ({key})")
    command = task["command"]
    if not isinstance(command, (list, tuple)) or not all(isinstance(word, str) for word in command):
        raise DocumentTypeError(f"{path}.command", "command must be a list of strings")
    if not command:
        raise DocumentTypeError(f"{path}.command", "command must not be empty")
    if not isinstance(task["slot"], str):
        raise _wrong_type(task["slot"], f"{path}.slot", "a string")
    _check_task_count(task["count"], f"{path}.count")
    if "distribution" in task and not isinstance(task["distribution"], str):
        raise _wrong_type(task["distribution"], f"{path}.distribution", "a string")
    if "attributes" in task:
        attributes = _mapping(task["attributes"], f"{path}.attributes")
        if "environment" in attributes:
            _check_environment(attributes["environment"], f"{path}.attributes.environment")


def _check_task_count(count: Any, path: str) -> None:
    if len(_mapping(count, path)) != 1:
        raise DocumentError(path, f"count must have exactly one key set, one of {', '.join(_TASK_COUNTS)}")
    kind, number = next(iter(count.items()))
    if kind not in _TASK_COUNTS:
        raise DocumentError(path, f"unknown key {kind!r}: expected one of {', '.join(_TASK_COUNTS)}")
    path = f"{path}.{kind}"
    if kind == "per_resource":
        _mapping(number, path)
        for key in ("type", "count"):
            if key not in number:
                raise DocumentError(path, f"Missing key ({key})")
        if not isinstance(number["type"], str):
            raise _wrong_type(number["type"], f"{path}.type", "a string")
        number, path = number["count"], f"{path}.count"
    if type(number) is not int:
        raise _wrong_type(number, path, "an integer")
    if not 0 < number < 2**31:
        raise DocumentError(path, "count must be in 1..2147483647")


def _check_attributes(attributes: Any) -> None:
    if not isinstance(attributes, dict):
        raise _wrong_type(attributes, "attributes", "a mapping")
    for key, value in attributes.items():
        if key not in ("system", "user"):
            raise DocumentError("attributes", f"Extraneous key ({key})")
        _mapping(value, f"attributes.{key}")
    if "system" not in attributes:
        return
    for key, value in attributes["system"].items():
        check = _SYSTEM.get(key)
        if check is not None:
            check(value, f"attributes.system.{key}")


def _check_text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong_type(value, path, "a string")


def _check_seconds(value: Any, path: str) -> None:
    if type(value) is not float and type(value) is not int:
        raise DocumentError(path, f"must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value < math.inf:
        raise DocumentError(path, "must be a finite number of seconds, 0 or more")


def _check_environment(value: Any, path: str) -> None:
    for name, text in _mapping(value, path).items():
        if type(text) is not str and text is not None and not isinstance(text, str):
            raise _wrong_type(text, f"{path}.{name}", "a string or null")


def _check_dependencies(value: Any, path: str) -> None:
    for i, dependency in enumerate(_list(value, path)):
        if not isinstance(dependency, dict):
            raise DocumentTypeError(f"{path}[{i}]", f"dependency must be a mapping, not {type(dependency).__name__}")
        for key in ("scheme", "value"):
            if key not in dependency:
                raise DocumentError(f"{path}[{i}]", f"Missing key ({key})")
            if not isinstance(dependency[key], str):
                raise DocumentTypeError(f"{path}[{i}].{key}", f"dependency {key} must be a string")


def _check_constraints(value: Any, path: str) -> None:
    from fluxplug.jobspec.constraint import parse_constraint  # noqa: PLC0415 - most jobs have none

    parse_constraint(_mapping(value, path), path)


def _check_job(value: Any, path: str) -> None:
    if "name" in _mapping(value, path):
        _check_text(value["name"], f"{path}.name")


def _check_shell(value: Any, path: str) -> None:
    if "options" in _mapping(value, path):
        _mapping(value["options"], f"{path}.options")


def _check_files(value: Any, path: str) -> None:
    if not isinstance(value, list):
        _mapping(value, path)


# What is known about attributes.system; other keys are the business of plugins.
_SYSTEM = {
    "duration": _check_seconds,
    "preemptible-after": _check_seconds,
    "environment": _check_environment,
    "dependencies": _check_dependencies,
    "constraints": _check_constraints,
    "job": _check_job,
    "shell": _check_shell,
    "files": _check_files,
    **dict.fromkeys(("cwd", "queue", "bank", "project"), _check_text),
}
