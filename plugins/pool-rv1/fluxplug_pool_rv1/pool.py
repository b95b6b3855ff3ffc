"""`Rv1Pool`: who holds which cores and GPUs, and what is up, over R version 1. Names and behaviour are those of Flux's pool.

The parts: `Machine` is what there is, `Ledger` what is free, `Demand` a compiled request, `placement` the choice; this class keeps the
jobs and the rules. Every change of who holds what passes `_taken`, `_given_back` or `_end_changed`, every change of which ranks may be
used passes `_availability_changed`: that is where a planner listens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from fluxplug.clock import SystemClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource.request import ResourceRequest
from fluxplug.resource.rset import ResourceSet, Rv1Set
from fluxplug.values.idset import IDset
from fluxplug_pool_rv1.allocation import Allocation
from fluxplug_pool_rv1.candidates import collect, describe, pieces, select, worst_fit
from fluxplug_pool_rv1.demand import Demand
from fluxplug_pool_rv1.ledger import NOTHING, Ledger
from fluxplug_pool_rv1.machine import Machine, by_content
from fluxplug_pool_rv1.placement import choose
from fluxplug_pool_rv1.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fluxplug.clock import Clock
    from fluxplug.resource.document import Node
    from fluxplug.resource.request import Shape
    from fluxplug.resource.rset import RLike
    from fluxplug.values.idset import IDsetLike
    from fluxplug_pool_rv1.candidates import Candidate, Choice
    from fluxplug_pool_rv1.machine import Part
    from fluxplug_pool_rv1.placement import Caps

#: Compiled shapes that are kept; one is some hundred bytes, and a mask of the ranks where it has a constraint.
MAX_DEMANDS = 4096
_LOG_WARNING = 4

_OF_A_SET = (
    "copy_constraint",
    "copy_ranks",
    "diff",
    "get_properties",
    "host_ranks",
    "intersect",
    "ncores",
    "ngpus",
    "nnodes",
    "nodelist",
    "properties",
    "rlist",
    "union",
)


_new = tuple.__new__  # a third of the cost of calling a NamedTuple


class Held(NamedTuple):
    """What a job holds: `parts` until `end` (infinite: no end). `open_ended` jobs end when the pool does."""

    parts: Sequence[Part]
    end: float
    open_ended: bool


class Rv1Pool(Planned):
    """The pure-Python pool: worst-fit over cores and GPUs of nodes, with ranges, constraints and exclusive nodes.

    A request goes to the nodes with the most free cores, then the most free GPUs, then the lowest rank, and gets the lowest free
    ids. The cost of an allocation grows with what it takes.

    `R` is an R document, its JSON text or a set; `log` is called with (level, text); `clock` gives the time, in the seconds of R's
    expiration. Options that are not among `known_options` are logged and otherwise ignored, as in Flux. Raises as `Rv1Set` does.

    A subclass may override `_sort_candidates`, `_select_resources`, `_check_feasibility` and `_init_from_state`; the first two make every
    placement a walk over all candidates.
    """

    name = "rv1"
    version = 1
    known_options: ClassVar[frozenset[str]] = frozenset()
    request_class: ClassVar[type[ResourceRequest]] = ResourceRequest

    InsufficientResources = InsufficientResources
    InfeasibleRequest = InfeasibleRequest

    # Which of Flux's hooks a subclass overrides.
    _by_candidates: ClassVar[bool] = False
    _own_feasibility: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._by_candidates = (
            cls._sort_candidates is not Rv1Pool._sort_candidates
            or cls._select_resources is not Rv1Pool._select_resources
        )
        cls._plans_amounts = cls._plans_amounts and not cls._by_candidates
        cls._own_feasibility = cls._check_feasibility is not Rv1Pool._check_feasibility

    def __init__(
        self,
        R: RLike | None = None,  # noqa: N803 - the format's name
        log: Callable[[int, str], None] | None = None,
        *,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        self.log: Callable[[int, str], None] = log if log is not None else _no_log
        self.clock = clock if clock is not None else SystemClock()
        for option in sorted(set(kwargs) - self.known_options):
            self.log(_LOG_WARNING, f"pool {self.name}: unknown option {option!r} ignored")
        whole = Rv1Set(R, keep_scheduling=True)
        self._machine = self._make_machine(whole)
        self._ledger = Ledger(self._machine)
        self._present = self._up = self._usable = self._machine.everything
        self._jobs: dict[int, Held] = {}
        self._demands: dict[Shape, Demand] = {}
        self._expiration = whole.expiration
        self.starttime = whole.starttime
        self.generation = 0

    def _make_machine(self, whole: Rv1Set) -> Machine:
        return Machine(whole)

    # Requests.

    def parse_resource_request(self, jobspec: dict[str, Any]) -> ResourceRequest:
        """Parse what a jobspec asks for. Raises DocumentError or ParseError (ValueErrors) where it cannot be understood."""
        return self.request_class.from_jobspec(jobspec)

    def check_feasibility(self, request: ResourceRequest) -> None:
        """Raise InfeasibleRequest, with the reason, where the whole machine (down and held parts too) could never serve it."""
        self._check_feasibility(request)

    def _check_feasibility(self, request: ResourceRequest) -> None:
        reason = self._demand(request.shape).reason
        if reason is not None:
            raise InfeasibleRequest(reason)

    def _demand(self, shape: Shape) -> Demand:
        """The compiled form of a shape."""
        demand = self._demands.get(shape)
        if demand is None:
            if len(self._demands) >= MAX_DEMANDS:
                self._demands.clear()
            demand = self._demands[shape] = self._compile(shape)
        return demand

    def _compile(self, shape: Shape) -> Demand:
        return Demand(shape, self._machine, self._present)

    # Taking and giving back.

    def place(
        self, jobid: int, request: ResourceRequest, *, eligible: int | None = None, caps: Caps | None = None
    ) -> Allocation:
        """Take resources for a job now, promises aside, and return its R, without times.

        `eligible` is a mask of the ranks (by index) that may be used, `caps` the cores and GPUs that may be used on some of them.
        Raises InsufficientResources, InfeasibleRequest, or ValueError for a job that already holds something.
        """
        if jobid in self._jobs:
            raise ValueError(f"job {jobid} already holds resources")
        demand = self._demands.get(request.shape) or self._demand(request.shape)
        if demand.reason is not None or self._own_feasibility:
            self._check_feasibility(request)
        if demand.match is not None:
            eligible = demand.match if eligible is None else eligible & demand.match
        if self._usable != self._machine.everything:
            eligible = self._usable if eligible is None else eligible & self._usable
        if self._by_candidates:
            candidates = collect(self._ledger, demand, self._up, eligible, caps)
            chosen, nslots = self._select_resources(self._sort_candidates(candidates), request)
            parts = pieces(self._ledger, chosen)
        else:
            parts, granted = self._choose(demand, eligible, caps)
            if granted < demand.least:
                raise InsufficientResources
            nslots = demand.slots_on(granted) if demand.nodes else granted
        take = self._ledger.take
        for piece in parts:
            take(piece)
        duration = request.duration
        end = self.clock.now() + duration if duration else self._expiration or math.inf
        self._jobs[jobid] = _new(Held, (parts, end, not duration))
        self.generation += 1
        self._taken(jobid, parts, end)
        return Allocation(self._machine, parts, nslots)

    def _choose(self, demand: Demand, eligible: int | None, caps: Caps | None) -> tuple[list[Part], int]:
        return choose(self._ledger, demand, eligible, caps)

    def free(self, jobid: int, R: RLike | None = None, final: bool = False) -> None:  # noqa: N803
        """Take back what a job holds: all of it, or what is in R. A job that holds nothing is ignored.

        With `final`, R must be just what the job still holds. Raises ValueError where it is not, or where R has something that the job
        does not hold; then nothing is taken back.
        """
        held = self._jobs.get(jobid)
        if held is None:
            return
        given: Sequence[Part] = held.parts
        left: Sequence[Part] = ()
        if R is not None:
            given, left = self._split(jobid, held.parts, R, final)
        give = self._ledger.give
        for piece in given:
            give(piece)
        if left:
            self._jobs[jobid] = held._replace(parts=left)
        else:
            del self._jobs[jobid]
        self.generation += 1
        self._given_back(jobid, given, not left)

    def _split(
        self, jobid: int, held: Sequence[Part], source: Any, final: bool
    ) -> tuple[Sequence[Part], Sequence[Part]]:
        """What of `held` is in `source`, and what is left."""
        if isinstance(source, ResourceSet):
            source = source.impl
        parts = source.parts_in(self._machine) if isinstance(source, Allocation) else None
        if parts is held:
            return held, ()
        if parts is None:
            parts, strangers = self._machine.parts_of(source)
            if strangers:
                raise ValueError(f"job {jobid} does not hold ranks {strangers}")
        mine, theirs = by_content(held), by_content(parts)
        if mine == theirs:
            return held, ()
        left = _subtract(mine, theirs)
        if isinstance(left, int):
            raise ValueError(f"job {jobid} does not hold what is to be freed on ranks {self._machine.rank_set(left)}")  # noqa: TRY004
        unseen = 0
        for ranks in left.values():
            unseen |= ranks
        if unseen & self._present == 0:  # what was removed since cannot be asked for
            return held, ()
        if final:
            raise ValueError(
                f"the final free of job {jobid} leaves ranks {self._machine.rank_set(unseen & self._present)}"
            )
        return _parts(theirs), _parts(left)

    def register_alloc(self, jobid: int, R: RLike) -> None:  # noqa: N803
        """Enter an allocation that exists already; its expiration is the planned end, the pool's where it has none.

        Raises ValueError where R has ranks, cores or GPUs that the pool has not, or that are held already.
        """
        if jobid in self._jobs:
            raise ValueError(f"job {jobid} already holds resources")
        source = R.impl if isinstance(R, ResourceSet) else R
        found = source if isinstance(source, Rv1Set) else Rv1Set(source)
        parts, strangers = self._machine.parts_of(found)
        gone = 0
        for ranks, *_ in parts:
            gone |= ranks & ~self._present
        strangers = strangers | self._machine.rank_set(gone)
        if strangers:
            raise ValueError(f"job {jobid} holds ranks {strangers}, which are not in the pool")
        for piece in parts:
            self._check_free(jobid, piece)
        for piece in parts:
            self._ledger.take(piece)
        end = found.expiration or self._expiration or math.inf
        self._jobs[jobid] = Held(parts, end, not found.expiration)
        self.generation += 1
        self._taken(jobid, parts, end)

    def _check_free(self, jobid: int, piece: Part) -> None:
        mask, cores, gpus, _ = piece
        machine = self._machine
        for node, ranks in self._ledger.kinds_in(mask):
            if cores & ~node[0] or gpus & ~node[1]:
                raise ValueError(f"job {jobid} holds cores or GPUs that ranks {machine.rank_set(ranks)} have not")
        taken = [
            rank
            for rank in machine.rank_set(mask & ~self._ledger.idle)
            if cores & ~(free := self._ledger.free_on(machine.index[rank]))[0] or gpus & ~free[1]
        ]
        if taken:
            raise ValueError(f"job {jobid} holds cores or GPUs on ranks {IDset(taken)} that another job holds")

    # Times.

    def update_expiration(self, jobid: int, expiration: float) -> None:
        """Move the planned end of a job; 0 is the pool's end. A job that holds nothing is ignored."""
        held = self._jobs.get(jobid)
        if held is not None:
            self._set_end(jobid, held, expiration or self._expiration or math.inf, not expiration)

    def _set_end(self, jobid: int, held: Held, end: float, open_ended: bool) -> None:
        self._jobs[jobid] = Held(held.parts, end, open_ended)
        if end != held.end:
            self.generation += 1
            self._end_changed(jobid, held.parts, held.end, end)

    def job_end_times(self) -> list[tuple[int, float]]:
        """(jobid, planned end) of every holder; 0.0 for one that has none."""
        return [(jobid, 0.0 if held.end == math.inf else held.end) for jobid, held in self._jobs.items()]

    @property
    def expiration(self) -> float:
        """When the pool ends, in seconds; 0 for never. Jobs without a duration end then."""
        return self._expiration

    @expiration.setter
    def expiration(self, expiration: float) -> None:
        self._expiration = float(expiration)
        for jobid, held in list(self._jobs.items()):
            if held.open_ended:
                self._set_end(jobid, held, self._expiration or math.inf, True)

    def set_expiration(self, expiration: float) -> None:
        """Set `expiration`."""
        self.expiration = expiration

    def set_starttime(self, starttime: float) -> None:
        """Set `starttime`."""
        self.starttime = float(starttime)

    # What may be used.

    def mark_up(self, ids: IDsetLike) -> None:
        """Make ranks (an idset or "all") schedulable; unknown ones are ignored."""
        self._set_up(self._up | self._mask(ids))

    def mark_down(self, ids: IDsetLike) -> None:
        """Make ranks (an idset or "all") unschedulable; who holds them keeps them."""
        self._set_up(self._up & ~self._mask(ids))

    def _mask(self, ids: IDsetLike) -> int:
        return self._machine.everything if isinstance(ids, str) and ids == "all" else self._machine.mask(ids)

    def _set_up(self, up: int) -> None:
        if up != self._up:
            self._up = up
            self._usable = up & self._present
            self.generation += 1
            self._availability_changed()

    def remove_ranks(self, ids: IDsetLike) -> None:
        """Remove ranks for good. Who holds them gives them back as ever; nobody gets them again."""
        gone = self._mask(ids) & self._present
        if gone:
            self._present ^= gone
            self._usable = self._up & self._present
            self._demands = {}  # never cleared in place: copies share it
            self.generation += 1
            self._availability_changed()

    # Pools and sets made of it.

    def copy(self) -> Rv1Pool:
        """An independent pool in the same state, promises aside. Linear in the jobs and in the ranks that are shared."""
        new = object.__new__(type(self))
        new._init_from_state(self)
        return new

    def _init_from_state(self, source: Rv1Pool) -> None:
        """Become a copy of `source`; a subclass with attributes of its own adds them here."""
        self.log, self.clock = source.log, source.clock
        self._machine, self._ledger = source._machine, source._ledger.copy()
        self._present, self._up, self._usable = source._present, source._up, source._usable
        self._jobs, self._demands = source._jobs.copy(), source._demands
        self._expiration, self.starttime = source._expiration, source.starttime
        self.generation = source.generation

    def _set_of(self, nodes: dict[int, Node]) -> Rv1Set:
        new = self._machine.resource_set(nodes)
        new.expiration, new.starttime = self._expiration, float(self.starttime)
        return new

    def _full_set(self, mask: int) -> Rv1Set:
        machine = self._machine
        return self._set_of({machine.index[rank]: machine.full[machine.index[rank]] for rank in machine.rank_set(mask)})

    def copy_allocated(self) -> Rv1Set:
        """What is held, with all properties, as a resource set."""
        machine, free_on = self._machine, self._ledger.free_on
        nodes = {}
        for rank in machine.rank_set(self._present & ~self._ledger.idle):
            i = machine.index[rank]
            full, free = machine.full[i], free_on(i)
            nodes[i] = (full[0] ^ free[0], full[1] ^ free[1])
        return self._set_of(nodes)

    def copy_down(self) -> Rv1Set:
        """What is down, as a resource set."""
        return self._full_set(self._present & ~self._up)

    def to_set(self) -> Rv1Set:
        """All there is, whoever holds it; its `state` has the idsets of what is `up` and `down`."""
        new = self._full_set(self._present)
        up, down = self._machine.rank_set(self._usable), self._machine.rank_set(self._present & ~self._up)
        new.state = {"up": str(up), "down": str(down)}
        return new

    def to_resource_set(self) -> ResourceSet:
        """`to_set` as a ResourceSet."""
        return ResourceSet(self.to_set())

    def to_dict(self) -> dict[str, Any]:
        """All there is, as an R document."""
        return self.to_set().to_dict()

    def encode(self) -> str:
        """All there is, as JSON text."""
        return self.to_set().encode()

    def dumps(self) -> str:
        """All there is, as short text."""
        return self.to_set().dumps()

    @property
    def impl(self) -> Rv1Pool:
        """The pool itself: Flux's ResourcePool is a front of its implementation."""
        return self

    @property
    def ranks(self) -> IDset:
        """The ranks that there are."""
        return self._machine.rank_set(self._present)

    def count(self, name: str) -> int:
        """The number of `core`s or `gpu`s in all."""
        which = {"core": 0, "gpu": 1}.get(name)
        if which is None:
            return 0
        return sum(
            node[which].bit_count() * (ranks & self._present).bit_count() for node, ranks in self._machine.kinds.items()
        )

    def holders(self, ids: IDsetLike) -> list[int]:
        """The jobs that hold something on any of these ranks (an idset or "all"), ascending. A step a piece held."""
        mask = self._mask(ids)
        return sorted(jobid for jobid, held in self._jobs.items() if any(ranks & mask for ranks, *_ in held.parts))

    # Flux's hooks for pools in Python: a list of candidates instead of masks.

    @property
    def _ranks(self) -> dict[int, dict[str, Any]]:
        """A snapshot of every rank as Flux's pool keeps it, for subclasses to read."""
        index = self._machine.index
        return {rank: describe(self._ledger, index[rank], self._up) for rank in self.ranks}

    @property
    def _job_state(self) -> dict[int, tuple[float, Allocation]]:
        """A snapshot of (end, what is held) by job, as Flux's pool keeps it."""
        ends = dict(self.job_end_times())
        return {jobid: (ends[jobid], Allocation(self._machine, held.parts, 0)) for jobid, held in self._jobs.items()}

    def _sort_candidates(self, candidates: list[Candidate]) -> list[Candidate]:
        """Order candidates, given by rank. Each is (rank, info, free cores, free GPUs): info as in `_ranks`, ids ascending."""
        return worst_fit(candidates)

    def _select_resources(self, candidates: list[Candidate], request: ResourceRequest) -> tuple[list[Choice], int]:
        """Choose from ordered candidates: a list of (rank, cores, GPUs), and the number of slots.

        Raises InsufficientResources where they do not suffice.
        """
        return select(candidates, self._demand(request.shape))

    # Self-test.

    def check(self) -> None:
        """Recompute every index and compare what is free with what is held. Raises AssertionError with the story."""
        self._ledger.check()
        machine = self._machine
        held: dict[int, Node] = {}
        for jobid, job in self._jobs.items():
            if not job.parts:
                raise AssertionError(f"job {jobid} is kept but holds nothing")
            for ranks, cores, gpus, count in job.parts:
                if count != ranks.bit_count() or not (cores or gpus):
                    raise AssertionError(f"job {jobid} has a piece that counts wrong: {(ranks, cores, gpus, count)}")
                for rank in machine.rank_set(ranks):
                    i = machine.index[rank]
                    before = held.get(i, NOTHING)
                    if before[0] & cores or before[1] & gpus:
                        raise AssertionError(f"oversubscribed: job {jobid} on rank {rank} holds what another holds")
                    held[i] = (before[0] | cores, before[1] | gpus)
        for i, full in enumerate(machine.full):
            free, taken = self._ledger.free_on(i), held.get(i, NOTHING)
            if (free[0] ^ taken[0], free[1] ^ taken[1]) != full or free[0] & taken[0] or free[1] & taken[1]:
                raise AssertionError(f"rank {machine.ranks[i]}: free {free} and held {taken} are not {full}")
        if self._usable != self._up & self._present:
            raise AssertionError("the mask of usable ranks is stale")
        self._check_plan()


def _of_a_set(name: str) -> property:
    """What a resource set tells or derives, of all there is: Flux's pool is such a set, ours makes one when asked."""
    return property(lambda pool: getattr(pool.to_set(), name), doc=getattr(Rv1Set, name).__doc__)


for _name in _OF_A_SET:  # not by __getattr__, which makes every access to any attribute slow
    setattr(Rv1Pool, _name, _of_a_set(_name))


def _no_log(level: int, text: str) -> None:
    del level, text


def _parts(content: dict[Node, int]) -> list[Part]:
    return [(ranks, cores, gpus, ranks.bit_count()) for (cores, gpus), ranks in content.items()]


def _subtract(whole: dict[Node, int], gone: dict[Node, int]) -> dict[Node, int] | int:
    """What is left of `whole`; a mask of ranks where `gone` is not within it."""
    left = dict(whole)
    for (cores, gpus), ranks in gone.items():
        missing = ranks
        for node, mine in list(left.items()):
            both = mine & missing
            if not both or cores & ~node[0] or gpus & ~node[1]:
                continue
            missing ^= both
            left[node] ^= both
            rest = (node[0] ^ cores, node[1] ^ gpus)
            left[rest] = left.get(rest, 0) | both
        if missing:
            return missing
    return {node: ranks for node, ranks in left.items() if ranks and node != NOTHING}
