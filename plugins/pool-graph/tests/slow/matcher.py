"""The slow matcher: the operations of section 5 over walks and commits."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING

from fluxplug_pool_graph.constraint import JobspecError
from fluxplug_pool_graph.jobspec import Request, Resource, expand_xor
from fluxplug_pool_graph.matcher import (
    FOREVER,
    Hold,
    MatcherError,
    Operation,
    Options,
    Outcome,
    Release,
    Taken,
    Verdict,
    Visits,
)

from . import aggregates, change, find, release, update
from .commit import Booking, Commit
from .graph import Graph
from .planner import RefusedError
from .walk import Mode, Walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fluxplug_pool_graph.description import Description
    from fluxplug_pool_graph.expression import Expression

Variants = list[tuple[Resource, ...]]


class SlowMatcher:
    """See fluxplug_pool_graph.matcher.Matcher."""

    def __init__(self, description: Description, options: Options) -> None:
        self.graph = Graph(description, options)
        self.options = options

    @property
    def description(self) -> Description:
        return self.graph.description

    @property
    def types(self) -> dict[str, int]:
        return self.graph.types

    def match(
        self, operation: Operation, request: Request, jobid: int, also_exclusive: Collection[str] = ()
    ) -> Outcome:
        return Match(self.graph, operation, request, jobid, also_exclusive).run()

    def update(self, document: Description, form: str, hold: Hold, also_exclusive: Collection[str] = ()) -> Outcome:
        return update.run(self.graph, document, form, hold, also_exclusive)

    def cancel(self, jobid: int) -> Release:
        return release.cancel(self.graph, jobid)

    def partial_cancel(self, document: Description, form: str, jobid: int) -> Release:
        return release.partial_cancel(self.graph, document, form, jobid)

    def find(self, expression: Expression) -> list[Taken]:
        return find.run(self.graph, expression)

    def vertex_at(self, path: str) -> int | None:
        return change.vertex_at(self.graph, path)

    def set_status(self, vertex: int, *, up: bool) -> None:
        change.set_status(self.graph, vertex, up=up)

    def set_property(self, vertex: int, key: str, value: str) -> None:
        self.graph.vertex(vertex).properties[key] = value

    def attach(self, document: Description) -> None:
        change.attach(self.graph, document)

    def remove_path(self, path: str) -> Verdict:
        return change.remove_path(self.graph, path)

    def remove_ranks(self, ranks: Iterable[int]) -> Release:
        return change.remove_ranks(self.graph, ranks)


class Match:
    """One operation of section 5.1."""

    def __init__(
        self, graph: Graph, operation: Operation, request: Request, jobid: int, also_exclusive: Collection[str]
    ) -> None:
        self.graph, self.operation, self.request, self.jobid = graph, operation, request, jobid
        self.whole = {*also_exclusive, *request.exclusive_types()}
        if graph.options.policy.node_exclusive:
            self.whole.add("node")
        self.tracked = graph.filters.tracked()
        self.outcome = Outcome(Verdict.BUSY)
        self.duration = 0

    def run(self) -> Outcome:
        """Do it."""
        outcome, lifetime = self.outcome, self.graph.options.lifetime
        asked = self.request.duration
        if not self.request.resources or not 0 <= asked <= lifetime or math.isnan(asked):
            outcome.verdict = Verdict.INVALID
            return outcome
        self.duration = math.ceil(asked) or lifetime
        variants: Variants = [self.request.resources]
        if self.graph.options.flexible:
            try:
                variants = expand_xor(self.request.resources)
            except JobspecError as exc:
                outcome.verdict, outcome.texts = Verdict.OVERFLOW, f"{exc}"
                return outcome
        if self.operation is Operation.SATISFIABILITY:
            self._satisfiability(variants)
        else:
            self._now(variants)
        return outcome

    # -- the parts of an operation

    def _satisfiability(self, variants: Variants) -> None:
        for resources in variants:
            walk = self._walk(resources, FOREVER - self.duration - 1, Mode.SATISFIABILITY)
            found = walk.run()
            self._note(walk)
            self.outcome.visits = walk.visits
            if found:
                self.outcome.verdict = Verdict.DONE
                return
        self.outcome.verdict = Verdict.NEVER
        self.outcome.failure = errno.ENODEV

    def _now(self, variants: Variants) -> None:
        with_answer = self.operation is Operation.ALLOCATE_WITH_SATISFIABILITY
        verdicts = []
        passed = []
        for resources in variants:
            if not self._enough_nodes(resources):
                verdicts.append(Verdict.NEVER if with_answer else Verdict.BUSY)
                self.outcome.failure = errno.ENODEV if with_answer else errno.EBUSY
                continue
            walk = self._walk(resources, 0, Mode.NOW)
            found = walk.run()
            self._note(walk)
            if found:
                self.outcome.visits, self.outcome.more_visits = walk.visits, Visits()
                self._commit(walk, Booking.ALLOCATION, self.duration)
                return
            passed.append(resources)
            if with_answer:
                verdicts.append(self._ever(resources, counted=True))
            else:
                verdicts.append(Verdict.BUSY)
        if self.operation.looks_ahead and passed:
            self._later(variants)
        else:
            self.outcome.verdict = Verdict.BUSY if Verdict.BUSY in verdicts else Verdict.NEVER

    def _later(self, variants: Variants) -> None:
        times = sorted({time for resources in variants for time in self._candidates(resources)})
        lifetime = self.graph.options.lifetime
        for time in times:
            for resources in variants:
                walk = self._walk(resources, time, Mode.LATER)
                found = walk.run()
                self._note(walk)
                self.outcome.more_visits += walk.visits
                if not found:
                    continue
                if time >= lifetime:
                    self.outcome.verdict, self.outcome.failure = Verdict.BUSY, errno.EBUSY
                    return
                self._commit(walk, Booking.RESERVATION, min(self.duration, lifetime - time))
                return
        self.outcome.failure = errno.ENOENT
        verdicts = [self._ever(resources, counted=False) for resources in variants]
        self.outcome.verdict = Verdict.BUSY if Verdict.BUSY in verdicts else Verdict.NEVER

    def _ever(self, resources: tuple[Resource, ...], *, counted: bool) -> Verdict:
        walk = self._walk(resources, FOREVER - self.duration - 1, Mode.SATISFIABILITY)
        found = walk.run()
        self._note(walk)
        if counted:
            self.outcome.more_visits += walk.visits
        self.outcome.failure = errno.EBUSY if found else errno.ENODEV
        return Verdict.BUSY if found else Verdict.NEVER

    def _candidates(self, resources: tuple[Resource, ...]) -> list[int]:
        counted = self.graph.states[self.graph.root].filter
        if counted is None:
            raise MatcherError("the root has no filter, so later times cannot be searched; see --prune-filters")
        needs = aggregates.below(resources, self.tracked, flexible=self.graph.options.flexible)
        times = []
        for time in counted.times_after(0):
            try:
                counted.fits(time, self.duration, needs)
            except RefusedError:
                continue
            times.append(time)
        return times

    def _enough_nodes(self, resources: tuple[Resource, ...]) -> bool:
        """The quick check of 5.2."""
        needs = aggregates.below(resources, self.tracked, flexible=self.graph.options.flexible).get("node", 0)
        if needs > self.graph.nodes_up:
            return False
        constraint = self.request.constraint
        if constraint is None:
            return True
        anyway = self.operation is Operation.ALLOCATE_WITH_SATISFIABILITY
        now = self.operation in (Operation.ALLOCATE, Operation.WITHOUT_ALLOCATING)
        at = 0 if now else self.graph.options.lifetime - 1
        usable = 0
        for v in sorted(self.graph.present):
            vertex = self.graph.vertex(v)
            if vertex.type == "node" and constraint.accepts(vertex) and (vertex.up or anyway):
                usable += self.graph.states[v].plan.available(at, self.duration) == 1
        return usable >= needs

    def _walk(self, resources: tuple[Resource, ...], at: int, mode: Mode) -> Walk:
        return Walk(self.graph, self.request, resources, at=at, duration=self.duration, mode=mode)

    def _note(self, walk: Walk) -> None:
        self.outcome.labels.update(walk.labels)
        self.outcome.texts += "".join(walk.texts)
        self.outcome.failure = walk.failure or self.outcome.failure

    def _commit(self, walk: Walk, booking: Booking, duration: int) -> None:
        if not self.operation.commits:
            booking = Booking.NOTHING
        assert walk.root is not None
        commit = Commit(self.graph, walk.mark, Hold(self.jobid, walk.at, duration), booking, self.whole)
        commit.run(walk.root)
        self.outcome.at, self.outcome.duration, self.outcome.taken = walk.at, duration, commit.taken
        self.outcome.verdict = Verdict.DONE if commit.taken else Verdict.EMPTY
