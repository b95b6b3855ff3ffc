"""The interface between whoever asks (the command, a pool) and a matcher, which knows the graph, time and jobs.

A matcher is built once from a `Description`; each call is coarse enough to be one call into C. It never reads files, writes
text or counts jobs. Vertices are named by their index in `Matcher.description`, which grows with `attach` and never renumbers.
Section numbers are those of fluxion.md.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from fluxplug.errors import FluxplugError
from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.filters import PruneFilters, parse_filters
from fluxplug_pool_graph.policies import POLICIES, Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from fluxplug_pool_graph.description import Description
    from fluxplug_pool_graph.expression import Expression
    from fluxplug_pool_graph.jobspec import Request

#: The life of a graph in seconds, 100 years; the plans themselves are longer.
LIFETIME = 3153600000
#: The end of every plan, in seconds.
FOREVER = 2**63 - 1
#: What an exclusivity checker has of its one resource: one for each job at or below a vertex.
CHECKERS = 0x40000000


class Operation(str, Enum):
    """What a match is for (section 5.1)."""

    ALLOCATE = "allocate"
    ALLOCATE_ORELSE_RESERVE = "allocate_orelse_reserve"
    ALLOCATE_WITH_SATISFIABILITY = "allocate_with_satisfiability"
    SATISFIABILITY = "satisfiability"
    WITHOUT_ALLOCATING = "without_allocating"
    WITHOUT_ALLOCATING_FUTURE = "without_allocating_future"

    @property
    def commits(self) -> bool:
        """Whether a success takes the resources."""
        return self.value.startswith("allocate")

    @property
    def looks_ahead(self) -> bool:
        """Whether later times are tried when now fails."""
        return self in (Operation.ALLOCATE_ORELSE_RESERVE, Operation.WITHOUT_ALLOCATING_FUTURE)


class Verdict(Enum):
    """How a call ended."""

    DONE = "done"
    BUSY = "busy"  # not at this time
    NEVER = "never"  # not on this machine
    INVALID = "invalid"  # the request makes no sense
    OVERFLOW = "overflow"  # too many alternatives
    EMPTY = "empty"  # selected, but nothing of it would be exclusive (12.5): nothing was taken
    ABSENT = "absent"  # no such job, vertex or rank


class MatcherError(FluxplugError):
    """A graph, or a part to attach, that a matcher cannot work with; the text says why."""


@frozen
class Options:
    """How a matcher matches. `subsystems` has the dominant one first; `lifetime` is in seconds. Matchers change nothing of it."""

    policy: Policy = POLICIES["first"]
    filters: PruneFilters = field(factory=lambda: parse_filters("ALL:core,ALL:node"))
    subsystems: tuple[str, ...] = (CONTAINMENT,)
    flexible: bool = False
    lifetime: int = LIFETIME


@frozen
class Visits:
    """Vertices entered, and vertices that succeeded."""

    entered: int = 0
    succeeded: int = 0

    def __add__(self, other: Visits) -> Visits:
        return Visits(self.entered + other.entered, self.succeeded + other.succeeded)


@frozen
class Hold:
    """Whose a booking is, and when: [start, start + duration) in seconds."""

    jobid: int
    start: int
    duration: int


@define(slots=True)
class Taken:
    """One vertex of a result; results list children before parents, siblings in the order of their edges.

    `parent` is the vertex through which it was reached, -1 for the root; `level` is 1 for the root. `amount` is how much
    of its size, shared or `exclusive`. A vertex that is not `shown` was taken, but its edge alone is to be written
    (12.11). `counts` has type -> (used, total) of its filter where a search asked for that.
    """

    vertex: int
    parent: int
    level: int
    amount: int
    exclusive: bool
    shown: bool = True
    counts: dict[str, tuple[int, int]] | None = None


@define(slots=True)
class Outcome:
    """What came of a match or an update.

    `at` and `duration` are in seconds. `visits` replaces the visit counts of before unless it is None, `more_visits` is
    added to them after that (9.2). `labels` are the labelled vertices that the walks passed, whether chosen or not (8.3).
    `failure` is the errno of the last check that failed, 0 if none did (12.6). `texts` is what the original writes to
    its error text.
    """

    verdict: Verdict
    at: int = 0
    duration: int = 0
    taken: list[Taken] = field(factory=list)
    visits: Visits | None = None
    more_visits: Visits = field(factory=Visits)
    labels: dict[int, str] = field(factory=dict)
    failure: int = 0
    texts: str = ""


@define(slots=True)
class Release:
    """What came of a cancel. `full` means that the job holds nothing any more; `rank` is the first one not found."""

    verdict: Verdict
    full: bool = False
    rank: int = -1
    visits: Visits = field(factory=Visits)


class Matcher(Protocol):
    """The graph with its plans. Not for use by several threads at once."""

    def __init__(self, description: Description, options: Options) -> None:
        """Build plans and filters; the description is the matcher's own from then on. Raises MatcherError."""

    @property
    def description(self) -> Description:
        """The graph as it is now, for reading: status and properties change through the methods below only."""

    @property
    def types(self) -> Mapping[str, int]:
        """Every type with its number (1.3)."""

    def match(
        self, operation: Operation, request: Request, jobid: int, also_exclusive: Collection[str] = ()
    ) -> Outcome:
        """Find resources, and take them for `jobid` if the operation commits; a failure takes nothing.

        `also_exclusive` are types taken whole for reasons outside this request (12.8). Raises MatcherError where later times
        would have to be searched and the root has no filter (12.1).
        """

    def update(self, document: Description, form: str, hold: Hold, also_exclusive: Collection[str] = ()) -> Outcome:
        """Take what a document describes but for its `free_ranks`, or nothing (7.4).

        `form` is `jgf`, `jgf_shorthand` or `rv1exec`.
        """

    def cancel(self, jobid: int) -> Release:
        """Give back all that the job holds (7.2). INVALID if the root did not know the job."""

    def partial_cancel(self, document: Description, form: str, jobid: int) -> Release:
        """Give back what a document describes (7.3). `form` is `jgf` or `rv1exec`."""

    def find(self, expression: Expression) -> list[Taken]:
        """All vertices that satisfy the expression, with their ancestors, each whole and exclusive (9.3)."""

    def vertex_at(self, path: str) -> int | None:
        """The first vertex with this path in any subsystem."""

    def set_status(self, vertex: int, *, up: bool) -> None:
        """Put one vertex up or down (7.6)."""

    def set_property(self, vertex: int, key: str, value: str) -> None:
        """Set one property."""

    def attach(self, document: Description) -> None:
        """Graft the vertices that are not there yet, and their edges (7.5). Raises MatcherError."""

    def remove_path(self, path: str) -> Verdict:
        """Detach the subtree at a path (7.5); jobs on it keep what they hold. DONE or ABSENT."""

    def remove_ranks(self, ranks: Iterable[int]) -> Release:
        """Clear all jobs from the vertices of these ranks, then detach them (7.5). ABSENT for an unknown rank: then nothing."""
