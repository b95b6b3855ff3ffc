"""`ReapiCli` over a matcher: documents in and out, job ids, and what became of each job (fluxion.md section 10).

Behaves as the published binding does, but for what is an accident of it: options that are not known, errors that depend on earlier
calls, and text that one output leaves for the next. No stream is touched; errors are exceptions.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from attrs import define

from fluxplug.clock import stopwatch
from fluxplug.errors import FluxplugError
from fluxplug.reapi import ReapiCli, ReapiError
from fluxplug_pool_graph.documents import read_holding
from fluxplug_pool_graph.expression import parse_expression
from fluxplug_pool_graph.jobspec import compile_jobspec
from fluxplug_pool_graph.matcher import LIFETIME, Hold, Operation, Options, Outcome, Verdict
from fluxplug_pool_graph.matchers import matcher_class
from fluxplug_pool_graph.readers import read
from fluxplug_pool_graph.reapi_options import Settings, read_options
from fluxplug_pool_graph.writers import FORMATS, Leftovers, Result, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.reapi import Match
    from fluxplug_pool_graph.jobspec import Request
    from fluxplug_pool_graph.matcher import Matcher

#: The job id of a match that takes nothing.
NO_JOB = 2**64 - 1
_MOST_JOBID = 2**63 - 1
_OPERATIONS = {operation.value: operation for operation in Operation}


class State(str, Enum):
    """Of a job (fluxion.md section 7.7)."""

    ALLOCATED = "ALLOCATED"
    RESERVED = "RESERVED"
    CANCELED = "CANCELED"


@define
class _Job:
    state: State
    at: int
    overhead: float


@define
class _Session:
    """A loaded graph, its jobs, and the id of the next one."""

    settings: Settings
    matcher: Matcher
    load: float
    jobs: dict[int, _Job]
    next_id: int = 1


class GraphReapi(ReapiCli):
    """The resource graph as a library, as `fluxplug.reapi.ReapiCli` describes it."""

    name: ClassVar[str] = "graph"

    def __init__(self, matcher: type[Matcher] | None = None) -> None:
        """Without a graph yet; `matcher` is for tests of others than the usual one."""
        self._matcher_class = matcher
        self._loaded: _Session | None = None

    def initialize(self, rgraph: str | bytes, options: str = "{}") -> None:
        """See `ReapiCli.initialize`."""
        with _failing("initialize"):
            settings = read_options(options)
            began = stopwatch()
            description = read(settings.load_format, rgraph, allowlist=settings.allowlist)
            asked = Options(settings.policy, settings.filters, settings.subsystems, settings.flexible)
            matcher = (self._matcher_class or matcher_class())(description, asked)
            self._loaded = _Session(settings, matcher, stopwatch() - began, {})

    def match(self, jobspec: str, orelse_reserve: bool = False, *, operation: str | None = None) -> Match:
        """See `ReapiCli.match`."""
        session = self._session("match")
        wanted = Operation.ALLOCATE_ORELSE_RESERVE if orelse_reserve else Operation.ALLOCATE
        if operation is not None:
            if operation not in _OPERATIONS:
                raise ReapiError(f"match: there is no operation {operation!r}; there are {', '.join(_OPERATIONS)}")
            wanted = _OPERATIONS[operation]
        began = stopwatch()
        with _failing("match"):
            jobid = session.next_id
            request = compile_jobspec(jobspec, session.matcher.types)
            outcome = _run(session, wanted, request)
            found = outcome.verdict is Verdict.DONE
            if wanted is Operation.SATISFIABILITY:
                return jobid if found else 0, False, "", 0, stopwatch() - began
            text = _written(session, outcome, jobid if wanted.commits else None, request.queue) if found else ""
        overhead = stopwatch() - began
        if not wanted.commits:
            return NO_JOB, outcome.at > 0, text, outcome.at, overhead
        session.next_id += 1
        if not found:
            return jobid, False, "", 0, overhead
        return _entered(session, jobid, outcome.at, text, overhead)

    def match_satisfy(self, jobspec: str) -> tuple[bool, float]:
        """See `ReapiCli.match_satisfy`."""
        session = self._session("match_satisfy")
        began = stopwatch()
        with _failing("match_satisfy"):
            request = compile_jobspec(jobspec, session.matcher.types)
            found = _run(session, Operation.SATISFIABILITY, request).verdict is Verdict.DONE
        return found, stopwatch() - began

    def update_allocate(self, jobid: int, R: str) -> Match:  # noqa: N803 - as published
        """See `ReapiCli.update_allocate`."""
        session = self._session("update_allocate")
        if isinstance(jobid, bool) or not isinstance(jobid, int) or not 0 <= jobid <= _MOST_JOBID:
            raise ReapiError(f"update_allocate: a job id is a number from 0 to {_MOST_JOBID}, not {jobid!r:.80}")
        if jobid in session.jobs:
            raise ReapiError(f"update_allocate: job {jobid} is known already")
        began = stopwatch()
        with _failing("update_allocate"):
            held = read_holding(R, session.settings.load_format)
            duration = (held.end or LIFETIME) - held.start
            if duration <= 0 or held.start + duration > LIFETIME:
                raise ReapiError(
                    f"update_allocate: from {held.start} to {held.end} is no time within {LIFETIME} seconds"
                )
            outcome = session.matcher.update(held.description, held.form, Hold(jobid, held.start, duration))
            if outcome.verdict is not Verdict.DONE:
                raise ReapiError(f"update_allocate: {_told(outcome) or 'something of it is not free'}")
            text = _written(session, outcome, jobid)
        session.next_id = max(session.next_id, jobid + 1)
        return _entered(session, jobid, held.start, text, stopwatch() - began)

    def info(self, jobid: int) -> tuple[str, bool, int, float]:
        """See `ReapiCli.info`."""
        job = self._session("info").jobs.get(jobid)
        if job is None:
            raise ReapiError(f"info: there is no job {jobid}")
        return job.state.value, job.state is State.RESERVED, job.at, job.overhead

    def cancel(self, jobid: int, noent_ok: bool = False) -> None:
        """See `ReapiCli.cancel`."""
        session = self._session("cancel")
        job = session.jobs.get(jobid)
        if job is None or job.state is State.CANCELED:
            if noent_ok:
                return
            raise ReapiError(f"cancel: there is no job {jobid}" + (" any more" if job else ""))
        release = session.matcher.cancel(jobid)
        job.state = State.CANCELED
        if release.verdict is not Verdict.DONE:
            raise ReapiError(f"cancel: job {jobid} was not known at the root of the graph; what it held is free now")

    def partial_cancel(self, jobid: int, R: str, noent_ok: bool = False) -> bool:  # noqa: N803 - as published
        """See `ReapiCli.partial_cancel`."""
        session = self._session("partial_cancel")
        job = session.jobs.get(jobid)
        if job is None or job.state is State.CANCELED:
            if noent_ok:
                return False
            raise ReapiError(f"partial_cancel: there is no job {jobid}" + (" any more" if job else ""))
        if job.state is State.RESERVED:
            raise ReapiError(f"partial_cancel: job {jobid} is a reservation, which can only be cancelled as a whole")
        with _failing("partial_cancel"):
            held = read_holding(R, session.settings.load_format)
            form = "rv1exec" if held.form.startswith("rv1exec") else "jgf"
            release = session.matcher.partial_cancel(held.description, form, jobid)
        if release.verdict is Verdict.ABSENT:
            raise ReapiError(f"partial_cancel: job {jobid} holds nothing of rank {release.rank}")
        if release.verdict is not Verdict.DONE:
            raise ReapiError(f"partial_cancel: a vertex of the document is not held exclusively by job {jobid}")
        if release.full:
            job.state = State.CANCELED
        return release.full

    def find(self, criteria: str, match_format: str | None = None) -> str:
        """See `ReapiCli.find`."""
        session = self._session("find")
        form = match_format or session.settings.match_format
        if form not in FORMATS:
            raise ReapiError(f"find: there is no match format {form!r}; there are {', '.join(FORMATS)}")
        with _failing("find"):
            taken = session.matcher.find(parse_expression(criteria))
            if not taken:
                return ""
            matcher, subsystem = session.matcher, session.settings.subsystems[0]
            text = write(form, Result(taken, matcher.description, matcher.types, subsystem=subsystem, search=True))
        if "simple" in form or not text:
            return text
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)

    def set_status(self, path: str, status: str) -> None:
        """See `ReapiCli.set_status`."""
        vertex = self._vertex("set_status", path)
        if status not in ("up", "down"):
            raise ReapiError(f"set_status: the status is up or down, not {status!r:.80}")
        self._session("set_status").matcher.set_status(vertex, up=status == "up")

    def get_status(self, path: str) -> str:
        """See `ReapiCli.get_status`."""
        vertex = self._vertex("get_status", path)
        return "up" if self._session("get_status").matcher.description.vertices[vertex].up else "down"

    def stat(self) -> dict[str, float]:
        """See `ReapiCli.stat`."""
        session = self._session("stat")
        times = [job.overhead for job in session.jobs.values()]
        description = session.matcher.description
        return {
            "vertices": len(description.vertices),
            "edges": len(description.edges),
            "jobs": len(times),
            "load": session.load,
            "min_match": min(times, default=0.0),
            "max_match": max(times, default=0.0),
            "avg_match": sum(times) / len(times) if times else 0.0,
        }

    def _session(self, call: str) -> _Session:
        if self._loaded is None:
            raise ReapiError(f"{call}: no graph is loaded; call initialize first")
        return self._loaded

    def _vertex(self, call: str, path: str) -> int:
        vertex = self._session(call).matcher.vertex_at(path)
        if vertex is None:
            raise ReapiError(f"{call}: there is no vertex with the path {path!r:.200}")
        return vertex


@contextmanager
def _failing(call: str) -> Iterator[None]:
    """Turn every error of ours into a ReapiError that names the call."""
    try:
        yield
    except ReapiError:
        raise
    except FluxplugError as error:
        raise ReapiError(f"{call}: {error}") from error


def _run(session: _Session, operation: Operation, request: Request) -> Outcome:
    """Match; raises where the answer is neither yes nor no."""
    outcome = session.matcher.match(operation, request, session.next_id)
    if outcome.verdict is Verdict.INVALID:
        raise ReapiError(f"match: {_told(outcome) or 'the jobspec asks for nothing, or for an impossible duration'}")
    if outcome.verdict is Verdict.OVERFLOW:
        raise ReapiError(f"match: {_told(outcome) or 'too many alternatives'}")
    return outcome


def _written(session: _Session, outcome: Outcome, jobid: int | None, queue: str = "") -> str:
    """The result as text; where that fails, what `jobid` took is given back."""
    settings, matcher = session.settings, session.matcher
    result = Result(
        outcome.taken,
        matcher.description,
        matcher.types,
        outcome.labels,
        settings.subsystems[0],
        outcome.at,
        outcome.at + outcome.duration,
    )
    try:
        return write(settings.match_format, result, Leftovers(queue=queue))
    except FluxplugError as error:
        if jobid is not None:
            matcher.cancel(jobid)
        raise ReapiError(f"the result cannot be written as {settings.match_format}: {error}") from error


def _entered(session: _Session, jobid: int, at: int, text: str, overhead: float) -> Match:
    """Remember a job that took something, and say so."""
    session.jobs[jobid] = _Job(State.RESERVED if at else State.ALLOCATED, at, overhead)
    return jobid, at > 0, text, at, overhead


def _told(outcome: Outcome) -> str:
    """What the matcher said, on one line."""
    return "; ".join(line.strip() for line in outcome.texts.splitlines() if line.strip())
