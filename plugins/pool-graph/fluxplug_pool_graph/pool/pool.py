"""`GraphPool`: a resource graph as the pool of the engine, over the matcher in C.

What a job gets is decided as `fluxplug resource-query` decides it, with a policy by name; among candidates of equal score the first in the graph is taken. Here are the jobs and
the rules of the pool contract (fluxplug.resource.pool); time is in `plan`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve, frozen

from fluxplug.clock import SystemClock
from fluxplug.config import option
from fluxplug.errors import ConfigError, InfeasibleRequest, InsufficientResources
from fluxplug.resource.rset import ResourceSet, Rv1Set
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.core import GraphLookupError, unpacked
from fluxplug_pool_graph.filters import DEFAULT, parse_filters
from fluxplug_pool_graph.jobspec import SLOT, Count, Request, Resource
from fluxplug_pool_graph.matcher import MatcherError, Options, Verdict
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.policies import parse_policy
from fluxplug_pool_graph.pool.allocation import GraphAllocation, nodes_of, units_of
from fluxplug_pool_graph.pool.graph import allocation_graph, stated
from fluxplug_pool_graph.pool.machine import Machine, from_file, from_r
from fluxplug_pool_graph.pool.plan import ENDLESS, GraphPlan, length, ticks
from fluxplug_pool_graph.pool.request import GraphRequest, GraphShape, least, read_request
from fluxplug_pool_graph.readers import NAMES, GraphReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fluxplug.clock import Clock
    from fluxplug.resource.document import Node
    from fluxplug.resource.rset import RLike
    from fluxplug.values.idset import IDsetLike
    from fluxplug_pool_graph.core import CoreRequest, Graph
    from fluxplug_pool_graph.description import Vertex

_LOG_WARNING = 4
#: Compiled shapes that are kept.
MAX_SHAPES = 4096
ONE = Count(1, 1)


@frozen
class GraphConfig:
    """The keys of `[pool.graph]`."""

    match_policy: str = option(
        "first", help="which of the free vertices a job gets: a name, or policy=high|low with switches"
    )
    match_format: str = option(
        "rv1_nosched",
        help="what R says: with rv1 and rv1_shorthand the graph of the allocation is its `scheduling`",
        choices=("rv1_nosched", "rv1", "rv1_shorthand"),
    )
    prune_filters: str = option(DEFAULT, help="which types are counted at which others, HIGH:LOW,...")
    load_file: str | None = option(None, help="a file with the graph; unset: the machine of [resource]", unit="path")
    load_format: str | None = option(None, help="its format; unset: told from the text", choices=NAMES)
    traverser: str = option(
        "simple", help="flexible serves alternatives, and slots above what lies between", choices=("simple", "flexible")
    )

    @property
    def describes_machine(self) -> bool:
        """Whether the pool has its machine from a file of its own."""
        return self.load_file is not None


@frozen(eq=False)
class _OnRanks:
    """A constraint that is already a set of ranks."""

    ranks: set[int]

    def accepts(self, vertex: Vertex) -> bool:
        return vertex.rank in self.ranks


class GraphPool(GraphPlan):
    """Racks, sockets, memory, power, any type that a site invents: a graph, matched in C.

    `R` is an R document, its JSON text or a set; where it has a graph (`scheduling`, RFC 40) the pool is that graph. `load_file` has precedence. The other arguments are the keys of
    `[pool.graph]`. `log` is called with (level, text). A promise binds amounts where any cores will do, and else names vertices.

    Raises ConfigError for a file, filter or policy that cannot be used, DocumentError, ParseError or GraphReadError for a bad R.
    """

    name = "graph"
    version = 1
    Config = GraphConfig
    known_options: ClassVar[frozenset[str]] = frozenset(
        ("match_policy", "match_format", "prune_filters", "load_file", "load_format", "traverser")
    )

    def __init__(
        self,
        R: RLike | None = None,  # noqa: N803 - the format's name
        log: Callable[[int, str], None] | None = None,
        *,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        self.clock = clock if clock is not None else SystemClock()
        for key in sorted(set(kwargs) - self.known_options):
            if log is not None:
                log(_LOG_WARNING, f"pool graph: unknown option {key!r} ignored")
        config = self.config = GraphConfig(**{key: kwargs[key] for key in self.known_options & kwargs.keys()})
        if config.load_file is not None:
            self._machine = Machine(from_file(config.load_file, config.load_format or ""))
        elif R is None:
            raise ConfigError("pool graph: no machine: give an R, or load-file in [pool.graph]")
        else:
            graph, whole = from_r(R)
            self._machine = Machine(graph, expiration=whole.expiration, starttime=whole.starttime)
        self._matcher = _matcher(config, self._machine.graph)
        self.core = self._matcher.core  # for good: a pool never changes its graph
        self._with_graph = config.match_format != "rv1_nosched"
        self._machine.inventory(self.core.units(None))
        self._shapes: dict[GraphShape, CoreRequest | str] = {}
        self._alike: dict[GraphShape, GraphShape] = {}  # requests share equal shapes: looking them up compares no trees
        self._down = set(self._machine.down)
        self._removed: set[int] = set()
        self.generation = 0
        self._start_plan()

    # Requests.

    def parse_resource_request(self, jobspec: dict[str, Any]) -> GraphRequest:
        """Parse what a jobspec asks for. Raises DocumentError or ParseError (ValueErrors) where it cannot be understood."""
        request = read_request(jobspec)
        known = self._alike
        if len(known) >= MAX_SHAPES:
            known.clear()
        shape = known.setdefault(request.shape, request.shape)
        return request if shape is request.shape else GraphRequest(shape, request.duration)

    def check_feasibility(self, request: GraphRequest) -> None:
        """Raise InfeasibleRequest, with the reason, where the whole machine (down and held parts too) could never serve it. Once a shape."""
        found = self._shape(request.shape)
        if isinstance(found, str):
            raise InfeasibleRequest(found)

    def _compiled(self, shape: GraphShape) -> CoreRequest | None:
        found = self._shape(shape)
        return None if isinstance(found, str) else found

    def _shape(self, shape: GraphShape) -> CoreRequest | str:
        found = self._shapes.get(shape)
        if found is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            found = self._shapes[shape] = self._compile(shape)
        return found

    def _compile(self, shape: GraphShape) -> CoreRequest | str:
        """The request as the core reads it, or why no state of the machine could serve it."""
        machine = self._machine
        constraint: Any = None
        if shape.constraint is not None or self._removed:
            ranks = set(machine.nodes)
            if shape.constraint is not None:
                ranks = machine.satisfying(shape.constraint.to_dict())
            constraint = _OnRanks(ranks - self._removed)
        resources = tuple(self._whole(entry, in_slot=False) for entry in shape.resources)
        try:
            compiled = self._matcher.compile(Request(resources, 0.0, constraint))
        except MatcherError as error:
            return str(error)
        compiled.by_amount = constraint is None and self._any_will_do(shape)
        verdict = self.core.feasible(compiled)
        if verdict is Verdict.DONE:
            return compiled
        if verdict is Verdict.EMPTY:
            return (
                "the request selects nothing: a job takes what is in its slot or exclusive, and nothing may lie between a slot's parent and "
                'what the slot holds (or set traverser = "flexible" in [pool.graph])'
            )
        return self._lacking(shape, constraint)

    def _whole(self, entry: Resource, *, in_slot: bool) -> Resource:
        """A request that has what is below what it takes: a slot of a node, without a word on its cores, is for all of them."""
        taken = in_slot or entry.exclusive
        if not entry.children and taken and entry.exclusive is None and self._machine.holds(entry.type):
            return evolve(entry, exclusive=True)
        inside = bool(taken) or entry.type == SLOT
        return evolve(entry, children=tuple(self._whole(one, in_slot=inside) for one in entry.children))

    def _any_will_do(self, shape: GraphShape) -> bool:
        """Whether a shape is so many single units of a type that holds nothing, wherever they are."""
        slot = shape.resources[0]
        if len(shape.resources) > 1 or slot.type != SLOT or len(slot.children) != 1:
            return False
        unit = slot.children[0]
        fixed = slot.count.minimum == slot.count.maximum and unit.count == ONE and not unit.children
        return fixed and self._machine.is_single(unit.type)

    def _is_whole(self) -> bool:
        return not (self._down or self._removed)

    def _lacking(self, shape: GraphShape, constraint: _OnRanks | None) -> str:
        for kind, amount in sorted(least(shape.resources).items()):
            there = self._machine.amount(kind)
            if amount > there:
                return f"asks for {amount} of {kind}, the machine has {there}"
        if constraint is not None and not constraint.ranks:
            return "no node satisfies the constraints"
        told = " on the nodes that satisfy the constraints" if shape.constraint is not None else ""
        return f"the machine cannot serve this arrangement of resources{told}"

    # Taking and giving back.

    def alloc(self, jobid: int, request: GraphRequest) -> GraphAllocation:
        """As the contract has it: what is promised to others is kept for them. ValueError for a job that holds something already."""
        self._take(jobid, request, self._new(jobid, request))
        return self._given(jobid, request)

    def place(self, jobid: int, request: GraphRequest) -> GraphAllocation:
        """As the contract has it. Promises that are in the way lapse until there is room for them again."""
        compiled = self._new(jobid, request)
        try:
            self._take(jobid, request, compiled)
        except InsufficientResources:
            if not self._promised:
                raise
            self._lapse_all()
            try:
                self._take(jobid, request, compiled)
            finally:
                self._revive()
        return self._given(jobid, request)

    def _new(self, jobid: int, request: GraphRequest) -> CoreRequest:
        """What the core is asked for a job that holds nothing yet. Raises InfeasibleRequest, ValueError."""
        found = self._shape(request.shape)
        if isinstance(found, str):
            raise InfeasibleRequest(found)
        if jobid in self._jobs:
            raise ValueError(f"job {jobid} already holds resources")
        return found

    def _given(self, jobid: int, request: GraphRequest) -> GraphAllocation:
        end = self._now + request.duration if request.duration else self._machine.expiration or math.inf
        self._hold(jobid, length(request.duration), end)
        graph = None
        if self._with_graph:
            holds = self.core.holds(jobid)
            matcher, shorthand = self._matcher, self.config.match_format == "rv1_shorthand"
            graph = lambda: allocation_graph(matcher, holds, shorthand=shorthand)  # noqa: E731 - made when somebody reads it
        return GraphAllocation(self._machine, self.core.packed_units(jobid), graph)

    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:  # noqa: N803
        """Take back what a job holds: all of it, or the ranks in R, each with all that the job has there. A job that holds nothing is ignored.

        With `final`, R must be just what the job still holds. Raises ValueError where it is not, or where R has something that the job does not hold; then nothing is taken back.
        """
        if jobid not in self._jobs:
            return
        core = self._settled()
        given = None if R is None else self._part(jobid, R, final=final)
        if given is None:
            core.cancel(jobid)
            del self._jobs[jobid]
        else:
            self._matcher.release_ranks(given, jobid)
        self.generation += 1
        self._revive()

    def _part(self, jobid: int, R: Any, *, final: bool) -> list[int] | None:  # noqa: N803
        """The ranks that are given back; None for all."""
        units = self.core.packed_units(jobid)
        if isinstance(R, ResourceSet):
            R = R.impl  # noqa: N806
        if isinstance(R, GraphAllocation) and R.packed == units:
            return None
        mine, theirs = nodes_of(unpacked(units)), dict((R if isinstance(R, Rv1Set) else Rv1Set(R)).nodes)
        strange = [rank for rank, node in theirs.items() if mine.get(rank) != node]
        if strange:
            raise ValueError(f"job {jobid} does not hold just that on ranks {IDset(strange)}")
        left = IDset(mine.keys() - theirs.keys())
        if not left:
            return None
        if final:
            raise ValueError(f"the final free of job {jobid} leaves ranks {left}")
        return sorted(theirs)

    def register_alloc(self, jobid: int, R: RLike) -> None:  # noqa: N803
        """Enter an allocation that exists already; its expiration is the planned end, the pool's where it has none.

        Where R has the graph of the allocation, it tells what is held beside cores and GPUs. Raises ValueError where R has ranks, cores or GPUs that the pool has not, or that are
        held already.
        """
        if jobid in self._jobs:
            raise ValueError(f"job {jobid} already holds resources")
        source = R.impl if isinstance(R, ResourceSet) else R
        found = source if isinstance(source, Rv1Set) else Rv1Set(source, keep_scheduling=True)
        strangers = IDset(rank for rank in found.nodes if rank not in self._machine.nodes or rank in self._removed)
        if strangers:
            raise ValueError(f"job {jobid} holds ranks {strangers}, which are not in the pool")
        core = self._synced()
        now, end = self._now, found.expiration or self._machine.expiration or math.inf
        until = end if end > now else now + max(1.0, now - end)
        duration = max(1, ticks(until) - ticks(now)) if until < math.inf else ENDLESS
        units = units_of(found.nodes)
        try:
            others = stated(self._matcher, found.scheduling) if found.scheduling else []
            entered = core.enter(jobid, ticks(now), duration, units, others)
            if not entered and self._promised:
                self._lapse_all()
                entered = core.enter(jobid, ticks(now), duration, units, others)
        except GraphLookupError:
            raise ValueError(f"job {jobid} holds what the pool has not: {found.dumps()}") from None
        except GraphReadError as error:
            raise ValueError(f"job {jobid}: the graph in its R: {error}") from None
        finally:
            self._revive()
        if not entered:
            raise ValueError(f"job {jobid} holds something of {found.dumps()} that another job holds")
        self._hold(jobid, duration, end)

    # Times.

    def update_expiration(self, jobid: int, expiration: float) -> None:
        """Move the planned end of a job; 0 is the pool's end. A job that holds nothing is ignored."""
        held = self._jobs.get(jobid)
        end = expiration or self._machine.expiration or math.inf
        if held is None or held.end == end:
            return
        self._synced()
        held.end = end
        now = self._now
        self._book_until(jobid, held, end if end > now else now + max(1.0, now - end))
        self.generation += 1

    def job_end_times(self) -> list[tuple[int, float]]:
        """(jobid, planned end) of every holder; 0.0 for one that has none."""
        return [(jobid, 0.0 if held.end == math.inf else held.end) for jobid, held in self._jobs.items()]

    # What may be used.

    def mark_up(self, ids: IDsetLike) -> None:
        """Make ranks (an idset or "all") schedulable; unknown ones are ignored."""
        self._mark(self._down.intersection(self._known(ids)), up=True)

    def mark_down(self, ids: IDsetLike) -> None:
        """Make ranks (an idset or "all") unschedulable; who holds them keeps them."""
        self._mark(self._known(ids) - self._down, up=False)

    def _known(self, ids: IDsetLike) -> set[int]:
        everything = self._machine.nodes.keys() - self._removed
        return everything if isinstance(ids, str) and ids == "all" else everything.intersection(IDset(ids))

    def _mark(self, ranks: Iterable[int], *, up: bool) -> None:
        for rank in sorted(ranks):
            self._matcher.set_status(self._matcher.number_of(self._machine.places[rank]), up=up)
            (self._down.discard if up else self._down.add)(rank)
            self.generation += 1
        self._by_what_is_left()

    def _by_what_is_left(self) -> None:
        """Amounts do not know which nodes may be used: where some may not, promises name vertices."""
        if self._promised and not self._is_whole():
            self._synced()
            self._name_all()
            self._revive()

    def remove_ranks(self, ids: IDsetLike) -> None:
        """Remove ranks for good. Who holds them gives them back as ever; nobody gets them again."""
        gone = self._known(ids)
        if gone:
            self._removed |= gone
            self._shapes = {}  # never cleared in place: copies share it
            self.generation += 1
            self._by_what_is_left()

    # Pools and sets made of it.

    def copy(self) -> GraphPool:
        """An independent pool in the same state, promises aside. Linear in the graph and in what is held."""
        return self._copied(planned=False)

    def copy_planned(self) -> GraphPool:
        """The same with the promises."""
        return self._copied(planned=True)

    def _copied(self, *, planned: bool) -> GraphPool:
        self._synced()
        new = object.__new__(type(self))
        new.clock, new.config, new._machine = self.clock, self.config, self._machine
        new._matcher = self._matcher.copy()
        new.core, new._with_graph = new._matcher.core, self._with_graph
        new._shapes, new._down, new._removed = self._shapes, self._down.copy(), self._removed.copy()
        new._alike = self._alike
        new.generation = self.generation
        new._copy_plan(self, planned=planned)
        return new

    def _set_of(self, nodes: dict[int, Node]) -> Rv1Set:
        new = self._machine.resource_set({rank: node for rank, node in nodes.items() if rank not in self._removed})
        new.expiration, new.starttime = self._machine.expiration, self._machine.starttime
        return new

    def copy_allocated(self) -> Rv1Set:
        """What is held, with all properties, as a resource set."""
        held: dict[int, Node] = {}
        for jobid in self._jobs:
            for rank, (cores, gpus) in nodes_of(self.core.units(jobid)).items():
                before = held.get(rank, (0, 0))
                held[rank] = (before[0] | cores, before[1] | gpus)
        return self._set_of(held)

    def copy_down(self) -> Rv1Set:
        """What is down, as a resource set."""
        return self._set_of({rank: self._machine.nodes[rank] for rank in self._down})

    def to_set(self) -> Rv1Set:
        """All there is, whoever holds it; its `state` has the idsets of what is `up` and `down`."""
        new = self._set_of(self._machine.nodes)
        ranks = IDset(new.nodes)
        down = IDset(self._down) & ranks
        new.state = {"up": str(ranks - down), "down": str(down)}
        return new

    @property
    def expiration(self) -> float:
        """When the pool ends, in seconds; 0 for never. Jobs without a duration end then."""
        return self._machine.expiration

    # Self-test.

    def check(self) -> None:
        """Recompute every plan from what jobs hold, and compare the accounts. Raises AssertionError with the story."""
        self._check_plan()
        taken: dict[int, Node] = {}
        for jobid in self._jobs:
            for rank, (cores, gpus) in nodes_of(self.core.units(jobid)).items():
                before = taken.get(rank, (0, 0))
                assert before[0] & cores == before[1] & gpus == 0, f"oversubscribed: job {jobid} on rank {rank}"
                taken[rank] = (before[0] | cores, before[1] | gpus)


def _matcher(config: GraphConfig, graph: Graph) -> CMatcher:
    """A matcher whose root counts every type: then each booking is a point in its filter, where searches look for times."""
    try:
        filters = parse_filters(config.prune_filters)
    except ConfigError as error:
        raise ConfigError(f"[pool.graph] prune-filters: {error}") from None
    try:
        policy = parse_policy(config.match_policy)
    except ConfigError as error:
        raise ConfigError(f"[pool.graph] match-policy: {error}") from None
    root = graph.root()
    if root is None:
        raise ConfigError("pool graph: the graph has no root in the containment subsystem")
    kind = graph.vertex(root).type
    for other in graph.types:
        if other != kind and graph.count(other):
            filters.add(kind, other)
    try:
        return CMatcher(graph, Options(policy, filters, flexible=config.traverser == "flexible", lifetime=ENDLESS))
    except MatcherError as error:
        raise ConfigError(f"pool graph: {error}") from None
