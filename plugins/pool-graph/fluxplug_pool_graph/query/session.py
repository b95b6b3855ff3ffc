"""One run of `resource-query`: the matcher, the jobs so far, and where text goes (fluxion.md section 9)."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, TextIO

from attrs import define, field

from fluxplug.clock import stopwatch
from fluxplug.errors import ConfigError, FluxplugError
from fluxplug_pool_graph.filters import parse_filters
from fluxplug_pool_graph.matcher import Matcher, MatcherError, Options, Outcome
from fluxplug_pool_graph.policies import parse_policy
from fluxplug_pool_graph.query.imitation import Imitation
from fluxplug_pool_graph.readers import GraphReadError, read
from fluxplug_pool_graph.writers import Result, write

if TYPE_CHECKING:
    from fluxplug_pool_graph.description import Description
    from fluxplug_pool_graph.query.options import Settings

BAR = "INFO: =============================\n"


class StartError(FluxplugError):
    """A session that cannot begin; the text is what goes to standard error."""


class State(str, Enum):
    """Of a job (7.7)."""

    ALLOCATED = "ALLOCATED"
    RESERVED = "RESERVED"
    CANCELED = "CANCELED"


@define
class Job:
    """A job that was matched. `at` is its start in seconds, `seconds` how long the match took."""

    id: int
    state: State
    at: int
    file: str
    seconds: float


@define
class Session:
    """What the commands share."""

    settings: Settings
    matcher: Matcher
    out: TextIO
    results: TextIO
    err: TextIO
    load_seconds: float = 0.0
    jobs: dict[int, Job] = field(factory=dict)
    counter: int = 1
    imitation: Imitation = field(factory=Imitation)

    def say(self, text: str) -> None:
        """To where results go."""
        self.results.write(text)

    def complain(self, text: str) -> None:
        """To standard error; one line."""
        self.err.write(text + "\n")

    def render(self, outcome: Outcome, *, search: bool = False) -> str:
        """The text of a result in the session's format. Raises WriterError."""
        result = Result(
            outcome.taken,
            self.matcher.description,
            self.matcher.types,
            self.imitation.labels,
            self.settings.subsystems[0],
            outcome.at,
            outcome.at + outcome.duration,
            search,
        )
        return write(self.settings.match_format, result, self.imitation.leftovers)

    def tell_elapsed(self, seconds: float, out: TextIO) -> None:
        """With --elapse-time, the three lines after a match; the visit counts always go to standard output."""
        if self.settings.elapse:
            out.write(f"INFO: ELAPSE={seconds:g}\n")
            self.out.write(f"INFO: PREORDER VISIT COUNT={self.imitation.visits.entered}\n")
            self.out.write(f"INFO: POSTORDER VISIT COUNT={self.imitation.visits.succeeded}\n")


def open_session(settings: Settings, matcher_class: type[Matcher], out: TextIO, err: TextIO) -> Session:
    """Read the graph and build the matcher. Raises StartError."""
    try:
        policy = parse_policy(settings.policy)
    except ConfigError as exc:
        raise StartError(": Runtime error: resource_query_t: ERROR: can't create matcher\n\n") from exc
    began = stopwatch()
    description = _load(settings)
    load_seconds = stopwatch() - began
    where = ": Runtime error: initialize_matchers_and_traversers: ERROR: "
    try:
        filters = parse_filters(settings.prune_filters)
    except ConfigError as exc:
        raise StartError(f"{where}can't set pruning filters\n\n") from exc
    options = Options(policy, filters, settings.subsystems, settings.flexible)
    try:
        matcher = matcher_class(description, options)
    except MatcherError as exc:
        raise StartError(f"{where}{exc}\n\n") from exc
    results = out
    if settings.test_output:
        try:
            results = open(settings.test_output, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115, PTH123
        except OSError as exc:
            raise StartError(f"can't open {settings.test_output}: {os.strerror(exc.errno or 0)}\n") from exc
    return Session(settings, matcher, out, results, err, load_seconds)


def read_text(path: str) -> str | None:
    """The text of a file; None if it cannot be read. Bytes that are no UTF-8 survive."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123
            return file.read()
    except (OSError, ValueError):
        return None


def _load(settings: Settings) -> Description:
    text = read_text(settings.load_file) or ""
    try:
        return read(settings.load_format, text, allowlist=settings.allowlist)
    except GraphReadError as exc:
        lines = exc.recorded
        raise StartError(
            f": Runtime error: resource_query_t: ERROR: {lines}\nERROR: error generating resources\n\n"
        ) from exc


def tell_load(session: Session) -> None:
    """With --elapse-time, what the graph looks like."""
    description = session.matcher.description
    vertices = description.vertices
    ranks: dict[int, int] = {}
    for vertex in vertices:
        ranks[vertex.rank] = ranks.get(vertex.rank, 0) + 1
    lines = [
        f"INFO: Graph Load Time: {session.load_seconds:g}",
        f"INFO: Vertex Count: {len(vertices)}",
        f"INFO: Edge Count: {len(description.edges)}",
        f"INFO: by_type Key-Value Pairs: {len({vertex.type for vertex in vertices})}",
        f"INFO: by_name Key-Value Pairs: {len({vertex.name for vertex in vertices})}",
        f"INFO: by_path Key-Value Pairs: {len({path for vertex in vertices for path in vertex.paths.values()})}",
        *(f"INFO: number of vertices with rank {rank}: {count}" for rank, count in sorted(ranks.items())),
    ]
    session.out.write("\n".join(lines) + "\n")
