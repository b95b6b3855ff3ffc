"""What a job asks for, parsed once: `ResourceRequest`, and the part of it that repeats from job to job, `Shape`.

Not the jobspec and not its validation (`fluxplug.jobspec`): this reads any resource tree that a pool can serve, V1 or not. Pools
make requests in `parse_resource_request` and place them; policies look at `shape` and `duration` alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from fluxplug.errors import DocumentError
from fluxplug.values.count import ResourceCount

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from typing_extensions import Self

__all__ = ["ResourceCount", "ResourceRequest", "Shape"]

#: The deepest resource tree that is read.
MAX_DEPTH = 100

ONE = ResourceCount(1, 1)


class Shape:
    """A request without its duration. Equal shapes are one object, so they compare and hash by identity; never changed.

    The fields are those of `ResourceRequest`, and two for slots that are above the nodes: `nodes_per_slot` nodes make one slot, or,
    where the jobspec leaves the nodes open, `spread_slots` slots share the nodes evenly (else 0). `extra` is a pool's own.
    """

    __slots__ = (
        "__weakref__",
        "constraint",
        "exclusive",
        "extra",
        "gpu_per_slot",
        "node_count",
        "nodes_per_slot",
        "slot_count",
        "slot_size",
        "spread_slots",
    )

    node_count: ResourceCount | None
    slot_count: ResourceCount
    slot_size: int
    gpu_per_slot: int
    constraint: dict[str, Any] | None
    exclusive: bool
    nodes_per_slot: int
    spread_slots: int
    extra: Hashable

    @classmethod
    def of(  # noqa: PLR0917 - the fields, in the order of ResourceRequest
        cls,
        node_count: ResourceCount | None,
        slot_count: ResourceCount,
        slot_size: int,
        gpu_per_slot: int,
        constraint: dict[str, Any] | None,
        exclusive: bool,
        nodes_per_slot: int = 1,
        spread_slots: int = 0,
        extra: Hashable = None,
    ) -> Shape:
        """The one shape with these fields. Raises DocumentError where the constraint is no RFC 31 object."""
        parsed = None
        if constraint is not None:
            from fluxplug.jobspec.constraint import parse_constraint  # noqa: PLC0415 - most jobs have none

            parsed = parse_constraint(constraint)
        key = (
            _count_key(node_count),
            _count_key(slot_count),
            (slot_size, gpu_per_slot, exclusive, nodes_per_slot, spread_slots),
            parsed,
            extra,
        )
        shape = _SHAPES.get(key)
        if shape is None:
            shape = cls.__new__(cls)
            shape.node_count, shape.slot_count = node_count, slot_count
            shape.slot_size, shape.gpu_per_slot = slot_size, gpu_per_slot
            # Its own copy: the document that it came from is its owner's to change.
            shape.constraint, shape.exclusive = parsed.to_dict() if parsed else None, exclusive
            shape.nodes_per_slot, shape.spread_slots, shape.extra = nodes_per_slot, spread_slots, extra
            _SHAPES[key] = shape
        return shape

    @property
    def node_step(self) -> int:
        """The number of granted nodes is a multiple of this."""
        return self.spread_slots or self.nodes_per_slot

    def slots_on(self, nodes: int) -> int:
        """The number of slots on so many granted nodes."""
        return self.spread_slots or self.slot_count.min * nodes // self.nodes_per_slot

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__[1:])
        return f"Shape({shown})"


_SHAPES: WeakValueDictionary[tuple[Any, ...], Shape] = WeakValueDictionary()


def _count_key(count: ResourceCount | None) -> tuple[Any, ...] | None:
    return None if count is None else (count.min, count.max, tuple(count.values) if count.values is not None else None)


class ResourceRequest:
    """A parsed resource request, as Flux's `Rv1Pool` has it. Never changed once made.

    node_count is the number of nodes, None for slots that may lie anywhere. slot_count is the number of slots on each node, or in all
    without nodes. slot_size and gpu_per_slot are the cores and GPUs of a slot. duration is in seconds, 0.0 for unlimited.
    constraint is an RFC 31 object or None. exclusive asks for whole nodes. jobspec is the document that the request came from.
    """

    __slots__ = ("duration", "jobspec", "shape")

    shape: Shape
    duration: float
    jobspec: dict[str, Any] | None

    def __init__(  # noqa: PLR0917 - Flux's signature
        self,
        node_count: ResourceCount | None,
        slot_count: ResourceCount,
        slot_size: int,
        gpu_per_slot: int,
        duration: float,
        constraint: dict[str, Any] | None,
        exclusive: bool,
        jobspec: dict[str, Any] | None = None,
        *,
        nodes_per_slot: int = 1,
        spread_slots: int = 0,
        extra: Hashable = None,
    ) -> None:
        self.shape = Shape.of(
            node_count,
            slot_count,
            slot_size,
            gpu_per_slot,
            constraint,
            exclusive,
            nodes_per_slot,
            spread_slots,
            extra,
        )
        self.duration = duration
        self.jobspec = jobspec

    @classmethod
    def from_jobspec(cls, jobspec: Mapping[str, Any]) -> Self:
        """Parse a jobspec document of any version.

        The last node vertex gives the node count, times the counts above it; core and gpu counts give their minimum. Types
        that are unknown are passed through; below a node, or above a slot without nodes, they multiply nothing. A slot above
        nodes is spread over them: `slot=4/node` is one slot on each of four nodes. Version 1 needs `system.duration`.

        Raises DocumentError or ParseError (ValueErrors) for what cannot be understood.
        """
        found = Walk(jobspec)
        if found.slot is None:
            raise DocumentError("resources", "Unable to determine slot count")
        if not found.cores and not cls._may_lack_cores(found):
            raise DocumentError("resources", "Unable to determine slot size")
        node_count, slot_count = found.nodes, found.slot
        nodes_per_slot, spread_slots = 1, 0
        if found.slot_of_nodes:
            nodes_per_slot, spread_slots = found.nodes_per_slot, found.spread_slots
            slot_count = ONE
        elif found.exclusive and node_count is None:
            node_count, slot_count = slot_count, ONE
        return cls(
            node_count,
            slot_count,
            found.cores,
            found.gpus,
            read_duration(jobspec),
            read_constraint(jobspec),
            found.exclusive,
            dict(jobspec),
            nodes_per_slot=nodes_per_slot,
            spread_slots=spread_slots,
            extra=cls._extra_of(found),
        )

    @classmethod
    def _may_lack_cores(cls, found: Walk) -> bool:
        """Whether a jobspec without a core vertex makes sense to this kind of request."""
        del found
        return False

    @classmethod
    def _extra_of(cls, found: Walk) -> Hashable:
        """What this kind of request adds to the shape."""
        del found
        return None

    def with_duration(self, seconds: float) -> Self:
        """The same request for another time."""
        new = object.__new__(type(self))
        new.shape = self.shape
        new.duration = seconds
        new.jobspec = self.jobspec
        return new

    @property
    def node_count(self) -> ResourceCount | None:
        """The number of nodes; None where slots may lie anywhere."""
        return self.shape.node_count

    @property
    def slot_count(self) -> ResourceCount:
        """Slots on each node, or in all where there are no nodes."""
        return self.shape.slot_count

    @property
    def slot_size(self) -> int:
        """Cores of a slot."""
        return self.shape.slot_size

    @property
    def gpu_per_slot(self) -> int:
        """GPUs of a slot."""
        return self.shape.gpu_per_slot

    @property
    def constraint(self) -> dict[str, Any] | None:
        """The RFC 31 constraint."""
        return self.shape.constraint

    @property
    def exclusive(self) -> bool:
        """Whether whole nodes are asked for."""
        return self.shape.exclusive

    @property
    def nnodes(self) -> int:
        """The least number of nodes; 0 for slots anywhere."""
        return self.shape.node_count.min if self.shape.node_count else 0

    @property
    def nnodes_max(self) -> int | None:
        """The largest number of nodes; 0 for slots anywhere, None for no limit."""
        return self.shape.node_count.max if self.shape.node_count else 0

    @property
    def nslots(self) -> int:
        """The least number of slots in all."""
        shape = self.shape
        return shape.slots_on(shape.node_count.min) if shape.node_count else shape.slot_count.min

    @property
    def nslots_max(self) -> int | None:
        """The largest number of slots in all; None for no limit."""
        shape = self.shape
        most = shape.slot_count.max
        if shape.node_count is None or most is None:
            return most
        if shape.spread_slots or shape.node_count.max is None:
            return shape.spread_slots or None
        return most * shape.node_count.max // shape.nodes_per_slot

    @property
    def ncores(self) -> int:
        """The least number of cores in all."""
        return self._pieces() * self.shape.slot_size

    @property
    def ngpus(self) -> int:
        """The least number of GPUs in all."""
        return self._pieces() * self.shape.gpu_per_slot

    def _pieces(self) -> int:
        """Slots in all, where one over several nodes counts on each of them."""
        return self.shape.slot_count.min * (self.nnodes if self.shape.node_count else 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResourceRequest):
            return NotImplemented
        return self.shape is other.shape and self.duration == other.duration

    def __hash__(self) -> int:
        return hash((self.shape, self.duration))

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt by field, so that a copy or an unpickled request meets its shape again.
        return (_rebuild, (type(self), *self._fields(), self.duration, self.jobspec))

    def _fields(self) -> tuple[Any, ...]:
        shape = self.shape
        return tuple(getattr(shape, name) for name in _SHAPE_ARGUMENTS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(duration={self.duration!r}, shape={self.shape!r})"


_SHAPE_ARGUMENTS = (
    "node_count",
    "slot_count",
    "slot_size",
    "gpu_per_slot",
    "constraint",
    "exclusive",
    "nodes_per_slot",
    "spread_slots",
    "extra",
)


def _rebuild(cls: type[ResourceRequest], *arguments: Any) -> ResourceRequest:
    *fields, duration, jobspec = arguments
    new = object.__new__(cls)
    new.shape, new.duration, new.jobspec = Shape.of(*fields), duration, jobspec
    return new


def read_duration(jobspec: Mapping[str, Any]) -> float:
    """`attributes.system.duration` in seconds; 0.0 where it is missing, unless the version is 1. Raises DocumentError."""
    node: Any = jobspec.get("attributes")
    for key in ("system", "duration"):
        if not isinstance(node, dict) or key not in node:
            if jobspec.get("version") == 1:
                raise DocumentError("", f"getting duration: Object item not found: {key}")
            return 0.0
        node = node[key]
    if isinstance(node, bool) or not isinstance(node, (int, float)):
        raise DocumentError("attributes.system.duration", "expected a number of seconds")
    try:
        seconds = float(node)
    except OverflowError:
        seconds = math.inf
    if not 0 <= seconds < math.inf:
        raise DocumentError("attributes.system.duration", "expected a finite number of seconds, 0 or more")
    return seconds


def read_constraint(jobspec: Mapping[str, Any]) -> Any:
    """`attributes.system.constraints`, as it stands; None where it is missing."""
    attributes = jobspec.get("attributes")
    system = attributes.get("system") if isinstance(attributes, dict) else None
    return system.get("constraints") if isinstance(system, dict) else None


class ExclusiveVertex(NamedTuple):
    """An exclusive vertex that is neither node nor slot."""

    kind: str
    least: int
    path: str
    in_slot: bool


class Walk:
    """What the resource tree of a jobspec says; for kinds of requests that ask for more than cores and GPUs."""

    def __init__(self, jobspec: Mapping[str, Any]) -> None:
        self.nodes: ResourceCount | None = None
        self.slot: ResourceCount | None = None
        self.cores = self.gpus = 0
        self.exclusive = False
        self.slot_of_nodes = False  # whether the slot is above the nodes
        self.nodes_per_slot, self.spread_slots = 1, 0
        self.exclusive_others: list[ExclusiveVertex] = []
        resources = jobspec.get("resources")
        if not isinstance(resources, list) or not resources:
            raise DocumentError("", "jobspec has no resources")
        self._visit(resources, "resources", (), None)

    def _visit(
        self, vertices: Any, path: str, above: tuple[ResourceCount, ...], above_slot: tuple[ResourceCount, ...] | None
    ) -> None:
        """Read a list of vertices below `above`; `above_slot` is the part of it down to the slot, or None outside of one."""
        if len(above) > MAX_DEPTH:
            raise DocumentError("resources", f"nested more than {MAX_DEPTH} deep")
        if not isinstance(vertices, list):
            raise DocumentError(path, "expected a list of resources")
        for number, vertex in enumerate(vertices):
            where = f"{path}[{number}]"
            kind = vertex.get("type") if isinstance(vertex, dict) else None
            if not isinstance(kind, str):
                raise DocumentError(where, "a resource needs a type")
            exclusive = vertex.get("exclusive", False)
            if not isinstance(exclusive, bool):
                raise DocumentError(f"{where}.exclusive", "expected true or false")
            try:
                count = ResourceCount.from_count_spec(vertex.get("count"))
            except ValueError as error:
                raise DocumentError(f"{where}.count", str(error)) from error
            below_slot = above_slot
            if kind == "core":
                self.cores += count.min
            elif kind == "gpu":
                self.gpus += count.min
            elif kind == "node":
                self.exclusive |= exclusive
                self._node(count, above, above_slot, where)
            elif kind == "slot":
                if self.slot is not None:
                    raise DocumentError(where, "more than one slot is not supported")
                self.exclusive |= exclusive
                self.slot = count
                below_slot = (*above, count)
            elif exclusive:
                self.exclusive_others.append(ExclusiveVertex(kind, count.min, where, above_slot is not None))
            if "with" in vertex:
                self._visit(vertex["with"], f"{where}.with", (*above, count), below_slot)

    def _node(
        self,
        count: ResourceCount,
        above: tuple[ResourceCount, ...],
        above_slot: tuple[ResourceCount, ...] | None,
        where: str,
    ) -> None:
        self.nodes = _product((*above, count), where)
        if above_slot is None:
            return
        self.slot_of_nodes = True
        each = _product((*above[len(above_slot) :], count), where)
        if each.min == each.max:
            self.nodes_per_slot, self.spread_slots = each.min, 0
        else:
            self.nodes_per_slot, self.spread_slots = 1, _product(above_slot, where).min


def _product(counts: tuple[ResourceCount, ...], where: str) -> ResourceCount:
    """The count in all. Raises DocumentError for a range in a range: its values are no longer a count."""
    total = ONE
    for count in counts:
        if total.min == total.max:
            total = count.scaled(total.min)
        elif count.min == count.max:
            total = total.scaled(count.min)
        else:
            raise DocumentError(where, "a range of nodes below another range is not supported")
    return total
