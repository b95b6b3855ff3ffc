"""A jobspec (YAML, hence JSON) as the resource graph reads it, compiled to the request that matchers take.

This is not the core's validation, which is stricter and has other texts: the rules here are those of fluxion.md section 3,
the texts those of section 9.4. Quoted and plain scalars differ in places, so the document is composed to YAML nodes and
never constructed.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import yaml
from attrs import evolve, frozen

from fluxplug_pool_graph.constraint import Constraint, JobspecError, compile_constraint

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

SLOT = "slot"
XOR_SLOT = "xor_slot"

#: The most a count can be, and what a range without a maximum goes up to.
UNBOUNDED = 2**32 - 1
#: What a document may have at most; far beyond any jobspec.
MAX_CHARACTERS = 2**26
MAX_NODES = 10**6
MAX_DEPTH = 100
#: More alternatives than this are refused (fluxion.md section 6.7).
MAX_VARIANTS = 1000

_RESOURCE_KEYS = ("type", "count", "unit", "exclusive", "with", "label", "id")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@frozen
class Count:
    """How many: `minimum` up to `maximum` in steps of `operator` and `operand` (fluxion.md section 3.1)."""

    minimum: int
    maximum: int
    operator: str = "+"
    operand: int = 1

    def fit(self, available: int) -> int:
        """The most of `available` that the count can take; 0 when even the minimum is not there."""
        limit = min(available, self.maximum)
        if self.minimum > available or self.minimum > limit:
            return 0
        if self.operator == "+":
            return limit - (limit - self.minimum) % self.operand
        value = self.minimum
        while value:
            following = value * self.operand if self.operator == "*" else _power(value, self.operand, limit)
            if not value < following <= limit:
                break
            value = following
        return value

    def most(self) -> int:
        """The effective maximum: what the count takes of an endless supply."""
        return self.fit(UNBOUNDED)


@frozen
class Resource:
    """One level of a request. `exclusive` is None where the jobspec does not say; `label` is "" where there is none."""

    type: str
    count: Count
    exclusive: bool | None = None
    label: str = ""
    children: tuple[Resource, ...] = ()


@frozen
class Request:
    """What a job asks for. `duration` is in seconds as written, 0 for the whole life of the graph."""

    resources: tuple[Resource, ...]
    duration: float = 0.0
    constraint: Constraint | None = None
    queue: str = ""

    def exclusive_types(self) -> frozenset[str]:
        """Types of which some entry says `exclusive: true`; they are taken with all that is below them."""
        return frozenset(entry.type for entry in walk(self.resources) if entry.exclusive)


def walk(resources: tuple[Resource, ...]) -> Iterator[Resource]:
    """Every entry of a request, parents first."""
    for entry in resources:
        yield entry
        yield from walk(entry.children)


def compile_jobspec(text: str, types: Container[str]) -> Request:
    """Read a jobspec; `types` are the resource types that the graph knows. Raises JobspecError."""
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 0, column 0"
        # The C loader and the Python one have different words for it.
        problem = "illegal map value" if str(exc.problem).startswith("mapping values are not allowed") else exc.problem
        raise JobspecError(f"yaml-cpp: error at {where}: {problem}") from exc
    except yaml.YAMLError as exc:
        raise JobspecError(f"yaml-cpp: {exc}") from exc
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise JobspecError("Top mapping in jobspec must have exactly four entries")
    top = _entries(root)
    for key in ("resources", "tasks", "attributes", "version"):
        if key not in top:
            raise JobspecError(f'Missing key "{key.replace("resources", "resource")}" in top level mapping')
    if len(top) != 4 or len(root.value) != 4:
        raise JobspecError("Top mapping in jobspec must have exactly four entries")
    _check_version(top["version"])
    resources = _resources(top["resources"], types)
    _check_tasks(top["tasks"])
    return _with_attributes(Request(resources), top["attributes"])


def expand_xor(resources: tuple[Resource, ...]) -> list[tuple[Resource, ...]]:
    """Every choice of one `xor_slot` per group of siblings, as plain slots (fluxion.md section 6.7).

    Raises JobspecError for more than MAX_VARIANTS.
    """
    others: list[list[Resource]] = []
    either: list[Resource] = []
    for entry in resources:
        below = [evolve(entry, children=children) for children in expand_xor(entry.children)]
        if entry.type == XOR_SLOT:
            either += [evolve(one, type=SLOT) for one in below]
        else:
            others.append(below)
    groups = [*others, either] if either else others
    if math.prod(len(group) for group in groups) > MAX_VARIANTS:
        raise JobspecError("split_xor_slots failed")
    return [tuple(choice) for choice in itertools.product(*groups)]


def _compose(text: str) -> yaml.Node | None:
    """The document as nodes. Raises yaml.YAMLError, JobspecError beyond the limits.

    An alias stands for all that its anchor has, so a short text may be a very large document: nodes are counted as often
    as they are reached.
    """
    if len(text) > MAX_CHARACTERS:
        raise JobspecError(f"a jobspec of {len(text)} characters, the limit is {MAX_CHARACTERS}")
    try:
        root = yaml.compose(text, Loader=_Loader)
    except RecursionError as exc:
        raise JobspecError(f"nested too deeply, the limit is {MAX_DEPTH}") from exc
    except ValueError as exc:  # a character that is no text, or a number beyond the loader
        raise JobspecError(f"yaml-cpp: {exc}") from exc
    left = MAX_NODES
    level = [root] if root is not None else []
    for _ in range(MAX_DEPTH):
        below: list[yaml.Node] = []
        for node in level:
            if isinstance(node, yaml.CollectionNode):
                for child in node.value:
                    below += child if isinstance(child, tuple) else (child,)
                left -= len(node.value)
                if left < 0:
                    raise JobspecError(f"more than {MAX_NODES} values")
        if not below:
            return root
        level = below
    raise JobspecError(f"nested too deeply, the limit is {MAX_DEPTH}")


def _power(base: int, exponent: int, limit: int) -> int:
    # Stops early: 2**32 raised a few times would be a number without end.
    value = 1
    for _ in range(min(exponent, 64)):
        value *= base
        if value > limit:
            return limit + 1
    return value


def _entries(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _bad_conversion(node: yaml.Node) -> JobspecError:
    mark = node.start_mark
    return JobspecError(f"yaml-cpp: error at line {mark.line + 1}, column {mark.column + 1}: bad conversion")


def _unsigned(node: yaml.Node) -> int:
    text = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
    if not (text.isascii() and text.isdigit()) or int(text) > UNBOUNDED:
        raise _bad_conversion(node)
    return int(text)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _check_version(node: yaml.Node) -> None:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not (text.isascii() and text.isdigit()):
        raise JobspecError('"version" must be an unsigned integer')
    if not 1 <= int(text) <= 9999:
        raise JobspecError('Only jobspec "version" 1-9999 is supported')


def _resources(node: yaml.Node, types: Container[str]) -> tuple[Resource, ...]:
    if _is_null(node):
        return ()
    if not isinstance(node, yaml.SequenceNode):
        raise JobspecError('"resources" is not a sequence')
    return tuple(_resource(entry, types) for entry in node.value)


def _resource(node: yaml.Node, types: Container[str]) -> Resource:
    if not isinstance(node, yaml.MappingNode):
        raise JobspecError("resource is not a mapping")
    entries = _entries(node)
    if "type" not in entries:
        raise JobspecError('Key "type" missing from resource')
    for key in entries:
        if key not in _RESOURCE_KEYS:
            raise JobspecError(f"Unknown key {key!r} in resource")
    for key in ("type", "unit", "exclusive", "label", "id"):
        if key in entries and not isinstance(entries[key], yaml.ScalarNode):
            raise JobspecError(f'Value of "{key}" must be a scalar')
    kind = str(entries["type"].value)
    if kind not in types:
        raise JobspecError('Value of "type" must be a resource type known to fluxion')
    if "count" not in entries:
        raise JobspecError('Key "count" missing from resource')
    count = _count(entries["count"])
    exclusive = None
    if "exclusive" in entries:
        exclusive = {"true": True, "false": False}.get(str(entries["exclusive"].value))
        if exclusive is None:
            raise JobspecError('Value of "exclusive" must be either "true" or "false"')
    label = str(entries["label"].value) if "label" in entries else ""
    if kind == SLOT and "label" not in entries:
        raise JobspecError('All slots must be labelled; key "label" missing from slot')
    children = _resources(entries["with"], types) if "with" in entries else ()
    return Resource(kind, count, exclusive, label, children)


def _count(node: yaml.Node) -> Count:
    if isinstance(node, yaml.ScalarNode) and not _is_null(node):
        fixed = _unsigned(node)
        return Count(fixed, fixed)
    if not isinstance(node, yaml.MappingNode):
        raise JobspecError("count is not a mapping")
    entries = _entries(node)
    if "min" not in entries:
        raise JobspecError('Key "min" missing from count')
    optional = ("max", "operator", "operand")
    given = [key for key in optional if key in entries]
    if given and len(given) < len(optional):
        raise JobspecError('All or none of "max", "operator", and "operand" must be specified')
    for key in ("min", *given):
        if not isinstance(entries[key], yaml.ScalarNode):
            raise JobspecError(f'Value of "{key}" must be a scalar')
    minimum = _unsigned(entries["min"])
    if minimum < 1:
        raise JobspecError('"min" must be greater than zero')
    if not given:
        return Count(minimum, UNBOUNDED)
    maximum = _unsigned(entries["max"])
    if maximum < minimum:
        raise JobspecError('"max" must be greater than or equal to "min"')
    operator = str(entries["operator"].value)
    if operator not in ("+", "*", "^"):
        raise JobspecError("Invalid count operator")
    operand = _unsigned(entries["operand"])
    if operator == "+" and operand < 1:
        raise JobspecError("\"operand\" must be greater than zero for addition '+'")
    if operator == "*" and operand < 2:
        raise JobspecError("\"operand\" must be greater than one for multiplication '*'")
    if operator == "^" and operand < 2:
        raise JobspecError("\"operand\" must be greater than one for exponentiation '^'")
    if operator == "^" and minimum < 2:
        raise JobspecError("\"min\" must be greater than one for exponentiation '^'")
    return Count(minimum, maximum, operator, operand)


def _check_tasks(node: yaml.Node) -> None:
    if not isinstance(node, yaml.SequenceNode):
        raise JobspecError('"tasks" is not a sequence')
    for task in node.value:
        if not isinstance(task, yaml.MappingNode):
            raise JobspecError("task is not a mapping")
        entries = _entries(task)
        for key in ("command", "slot"):
            if key not in entries:
                raise JobspecError(f'Key "{key}" missing from task')
        if not 3 <= len(task.value) <= 5:
            raise JobspecError("impossible number of entries in task mapping")
        if "count" not in entries:
            raise JobspecError('Key "count" missing from task')
        if not isinstance(entries["command"], yaml.SequenceNode):
            raise JobspecError('"command" value must be a sequence')
        if not isinstance(entries["slot"], yaml.ScalarNode):
            raise JobspecError('"slot" value must be a scalar')
        if not isinstance(entries["count"], yaml.MappingNode):
            raise JobspecError('"count" in task is not a mapping')
        if len(entries["count"].value) != 1:
            raise JobspecError('"count" in task must have exactly one entry')


def _with_attributes(request: Request, node: yaml.Node) -> Request:
    if _is_null(node):
        return request
    if not isinstance(node, yaml.MappingNode):
        raise JobspecError('"attributes" is not a map')
    attributes = _entries(node)
    for key in attributes:
        if key not in ("user", "system"):
            raise JobspecError(f'"attributes" has an unknown key "{key}"')
    system = attributes.get("system")
    if system is None or _is_null(system):
        return request
    if not isinstance(system, yaml.MappingNode):
        raise JobspecError('"system" is not a map')
    entries = _entries(system)
    if "duration" in entries:
        request = evolve(request, duration=_duration(entries["duration"]))
    if "queue" in entries and not _is_null(entries["queue"]):
        if not isinstance(entries["queue"], yaml.ScalarNode):
            raise _bad_conversion(entries["queue"])
        request = evolve(request, queue=str(entries["queue"].value))
    if "constraints" in entries:
        request = evolve(request, constraint=compile_constraint(entries["constraints"]))
    return request


def _duration(node: yaml.Node) -> float:
    text = str(node.value).strip() if isinstance(node, yaml.ScalarNode) else ""
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.lstrip("+-").lower() in (".inf", "inf", "infinity"):
        return -math.inf if text.startswith("-") else math.inf
    if text.lower() in (".nan", "nan"):
        return math.nan
    raise _bad_conversion(node)
