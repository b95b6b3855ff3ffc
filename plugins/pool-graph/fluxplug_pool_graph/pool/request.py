"""What a job asks a graph pool for: a jobspec document read once, without its duration, into what the matcher compiles.

Any resource tree is read, of any version; what the machine has not is infeasible and no error. Not the jobspec of the library and of
resource-query (fluxplug_pool_graph.jobspec), whose rules and texts are those of the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from fluxplug.errors import DocumentError
from fluxplug.jobspec.constraint import parse_constraint
from fluxplug.resource.request import MAX_DEPTH, read_constraint, read_duration
from fluxplug.values.count import ResourceCount, parse_count
from fluxplug_pool_graph.jobspec import SLOT, UNBOUNDED, Count, Resource, walk

if TYPE_CHECKING:
    from fluxplug.jobspec.constraint import Constraint


@frozen(cache_hash=True)
class GraphShape:
    """A request without its duration: what is wanted, and an RFC 31 constraint on the nodes."""

    resources: tuple[Resource, ...]
    constraint: Constraint | None = None


@frozen
class GraphRequest:
    """A shape for `duration` seconds, 0 for no end."""

    shape: GraphShape
    duration: float

    def with_duration(self, seconds: float) -> GraphRequest:
        """The same for another time."""
        return GraphRequest(self.shape, seconds)

    @property
    def ncores(self) -> int:
        """The least number of cores in all."""
        return least(self.shape.resources).get("core", 0)


def read_request(jobspec: Mapping[str, Any]) -> GraphRequest:
    """Parse a jobspec document. Raises DocumentError or ParseError (ValueErrors). Linear.

    `exclusive` on a slot asks for whole nodes, as it does in every pool.
    """
    resources = tuple(map(_by_nodes, _resources(jobspec.get("resources"), "resources", 0)))
    if not resources:
        raise DocumentError("resources", "empty; a job asks for something")
    found = read_constraint(jobspec)
    constraint = None if found is None else parse_constraint(found)
    return GraphRequest(GraphShape(resources, constraint), read_duration(jobspec))


def _resources(value: Any, path: str, depth: int) -> tuple[Resource, ...]:
    if not isinstance(value, list):
        raise DocumentError(path, "expected a list of resources")
    if depth > MAX_DEPTH:
        raise DocumentError("resources", f"nested more than {MAX_DEPTH} deep")
    found = [_resource(entry, f"{path}[{number}]", depth) for number, entry in enumerate(value)]
    return tuple(one for one in found if one is not None)


def _resource(entry: Any, path: str, depth: int) -> Resource | None:
    kind = entry.get("type") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str):
        raise DocumentError(path, "a resource needs a type")
    exclusive, label = entry.get("exclusive"), entry.get("label", "")
    if exclusive is not None and not isinstance(exclusive, bool):
        raise DocumentError(f"{path}.exclusive", "expected true or false")
    if not isinstance(label, str):
        raise DocumentError(f"{path}.label", "expected a string")
    if entry.get("count") == 0:  # said for nothing, as in `gpu: 0`
        return None
    children = _resources(entry["with"], f"{path}.with", depth + 1) if "with" in entry else ()
    count = _count(entry.get("count"), f"{path}.count")
    return Resource(kind, count, exclusive, label, children)


def _by_nodes(entry: Resource) -> Resource:
    """An exclusive slot as a request for whole nodes: those above it, those in it, or a node for each."""
    if entry.type == SLOT and entry.exclusive:
        if any(one.type == "node" for one in walk(entry.children)):
            return evolve(entry, exclusive=None, children=tuple(map(_whole_nodes, entry.children)))
        return Resource("node", entry.count, True, "", (evolve(entry, count=Count(1, 1), exclusive=None),))
    if entry.type == "node" and any(one.type == SLOT and one.exclusive for one in walk(entry.children)):
        return evolve(_shared_slots(entry), exclusive=True)
    return evolve(entry, children=tuple(map(_by_nodes, entry.children)))


def _whole_nodes(entry: Resource) -> Resource:
    exclusive = True if entry.type == "node" else entry.exclusive
    return evolve(entry, exclusive=exclusive, children=tuple(map(_whole_nodes, entry.children)))


def _shared_slots(entry: Resource) -> Resource:
    exclusive = None if entry.type == SLOT else entry.exclusive
    return evolve(entry, exclusive=exclusive, children=tuple(map(_shared_slots, entry.children)))


def _count(value: Any, path: str) -> Count:
    try:
        plain = ResourceCount.from_count_spec(value)
        if plain.values is None:
            return Count(plain.min, _most(plain.max))
        if isinstance(value, str):
            spec = parse_count(value)
            if not spec.listed and spec.max is not None:
                return Count(spec.min, _most(spec.max), spec.operator, spec.operand)
        elif isinstance(value, Mapping):
            return Count(plain.min, _most(plain.max), value.get("operator", "+"), value.get("operand", 1))
    except ValueError as error:
        raise DocumentError(path, str(error)) from error
    steps = {b - a for a, b in zip(plain.values, plain.values[1:], strict=False)}
    if len(steps) > 1:
        raise DocumentError(path, f"{value!r:.40} is a list of counts; the graph serves ranges, with steps or without")
    return Count(plain.min, plain.values[-1], "+", steps.pop() if steps else 1)


def _most(value: int | None) -> int:
    return UNBOUNDED if value is None else min(value, UNBOUNDED)


def least(resources: tuple[Resource, ...]) -> dict[str, int]:
    """How many of each type a request takes at least; slots are no type."""
    found: dict[str, int] = {}

    def visit(entries: tuple[Resource, ...], factor: int) -> None:
        for entry in entries:
            times = factor * entry.count.minimum
            if entry.type != SLOT:
                found[entry.type] = found.get(entry.type, 0) + times
            visit(entry.children, times)

    visit(resources, 1)
    return found
