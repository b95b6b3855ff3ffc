"""Documents that tell what a job holds, over the C core: updates (fluxion.md section 7.4) and partial cancels (7.3). Used by native.py alone."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug_pool_graph.core import HAS_ALLOCATION, HAS_TAG
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.matcher import Hold, Outcome, Release, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fluxplug_pool_graph.native import CMatcher

_CHECK, _BOOK, _MARK, _MARK_EXCLUSIVE = range(4)


class _UnusableError(Exception):
    """The document does not fit; the text is the original's."""


@define(eq=False)
class _Steps:
    """An update as steps of the core. `why` has, for each step that may fail, what the original says then."""

    matcher: CMatcher
    document: Description
    steps: list[tuple[int, int, int]] = field(factory=list)
    why: dict[int, str] = field(factory=dict)
    listed: dict[int, bool] = field(factory=dict)

    def jgf(self, *, shorthand: bool) -> None:
        """What a JGF document lists."""
        found = []
        for vertex in self.document.vertices:
            v = self._known(vertex)
            found.append(v)
            self.listed[v] = vertex.exclusive
            self._book(v) if vertex.exclusive else self._check_free(v)
        for edge in self.document.edges:
            self._mark(found[edge.source], found[edge.target], edge.subsystem)
        if shorthand:
            links = self._containment()
            for v, exclusive in list(self.listed.items()):
                if exclusive:
                    self._take_below(v, links)

    def rv1exec(self) -> None:
        """What an R lists; its first vertex is the root."""
        vertices = self.document.vertices
        found = {0: self._known(vertices[0])}
        for edge in self.document.edges:
            vertex = vertices[edge.target]
            step = "unpack_rank: failed unpacking rank" if edge.source == 0 else "unpack_child: failed unpacking child"
            more = f"{step} for {vertex.name}.\n"
            v = found[edge.target] = self._known(vertex, more)
            self._check_free(v, more)
            if edge.source:
                self._book(v, more)
            self.listed[v] = True
            self._mark(found[edge.source], v, CONTAINMENT)
        for v in [v for v in self.listed if self._vertex(v).type == "node"]:
            rank = self._vertex(v).rank
            same = self.matcher.with_rank(rank) if rank >= 0 else self._unranked(rank)
            if all(u in self.listed for u in same):
                self._book(v)

    def _unranked(self, rank: int) -> list[int]:
        return [v for v in self.matcher.present if self._vertex(v).rank == rank]

    def _vertex(self, v: int) -> Vertex:
        return self.matcher.description.vertices[v]

    def _known(self, vertex: Vertex, more: str = "") -> int:
        path = next(iter(vertex.paths.values()), None)
        candidates: Iterable[int] = self.matcher.present if path is None else self.matcher.with_path(path)
        for v in candidates:
            mine = self._vertex(v)
            if mine.paths == vertex.paths and mine.rank == vertex.rank and _identity(mine) == _identity(vertex):
                return v
        raise _UnusableError(f"add_or_update: couldn't find vertex in graph for {vertex.name}.\n{more}")

    def _check_free(self, v: int, more: str = "") -> None:
        self.why[len(self.steps)] = f"update_vertex: {self._vertex(v).name} is unavailable.\n{more}"
        self.steps.append((_CHECK, v, 0))

    def _book(self, v: int, more: str = "") -> None:
        self.why[len(self.steps)] = f"update_vtx_plan: can't add span into {self._vertex(v).name}.\n{more}"
        self.steps.append((_BOOK, v, 0))

    def _mark(self, source: int, target: int, subsystem: str) -> None:
        if subsystem == self.matcher.options.subsystems[0]:
            self.steps.append((_MARK_EXCLUSIVE if self.listed[target] else _MARK, source, target))

    def _containment(self) -> dict[int, list[int]]:
        here = set(self.matcher.present)
        links: dict[int, list[int]] = {}
        for edge in self.matcher.description.edges:
            if edge.subsystem == CONTAINMENT and edge.source in here and edge.target in here:
                links.setdefault(edge.source, []).append(edge.target)
        return links

    def _take_below(self, v: int, links: dict[int, list[int]]) -> None:
        todo = [iter([(v, child) for child in links.get(v, [])])]
        while todo:
            for source, child in todo[-1]:
                if child in self.listed:
                    continue
                self.listed[child] = True
                self._book(child)
                self._mark(source, child, CONTAINMENT)
                todo.append(iter([(child, below) for below in links.get(child, [])]))
                break
            else:
                todo.pop()


def _identity(vertex: Vertex) -> tuple[str, str, int, int, str]:
    return vertex.type, vertex.basename, vertex.size, vertex.id, vertex.name


def _without_free_ranks(document: Description) -> Description:
    kept = [
        v for v, vertex in enumerate(document.vertices) if vertex.rank < 0 or vertex.rank not in document.free_ranks
    ]
    index = {v: place for place, v in enumerate(kept)}
    edges = [
        Edge(index[edge.source], index[edge.target], edge.subsystem)
        for edge in document.edges
        if edge.source in index and edge.target in index
    ]
    return Description([document.vertices[v] for v in kept], edges, document.types)


def update(matcher: CMatcher, document: Description, form: str, hold: Hold, also_exclusive: Collection[str]) -> Outcome:
    """Take what a document says, or nothing."""
    steps = _Steps(matcher, _without_free_ranks(document))
    unknown = ""
    try:
        if form == "rv1exec":
            steps.rv1exec()
        else:
            steps.jgf(shorthand=form == "jgf_shorthand")
    except _UnusableError as exc:
        unknown = str(exc)
    outcome, failed = matcher.core.update(
        (hold.jobid, hold.start, hold.duration),
        steps.steps,
        matcher.numbers_of_types(also_exclusive),
        exclusive=steps.listed.get(matcher.root, False),
        commit=not unknown,
    )
    # A step before the unknown vertex may have failed: that is what the original met first.
    texts = unknown if failed is None else steps.why.get(failed, "")
    if texts or outcome.verdict is not Verdict.DONE:
        return Outcome(Verdict.INVALID, failure=errno.EINVAL, texts=texts)
    return outcome


def tagged(matcher: CMatcher, jobid: int) -> set[int]:
    """The vertices that know a job."""
    return {v for v, kinds in matcher.core.holds(jobid).items() if kinds & HAS_TAG}


def _topmost(matcher: CMatcher, held: list[int]) -> int:
    dominant = matcher.options.subsystems[0]
    return min(held, key=lambda v: len(matcher.description.vertices[v].paths.get(dominant, "")))


def release_ranks(matcher: CMatcher, ranks: Iterable[int], jobid: int) -> Release:
    """Give back all vertices of some ranks."""
    known = tagged(matcher, jobid)
    missing = -1
    released = []
    for rank in ranks:
        held = [v for v in matcher.with_rank(rank) if v in known]
        if held:
            released.append((held, matcher.core.release(jobid, held)))
        elif missing < 0:
            missing = rank
    if missing >= 0:
        return Release(Verdict.ABSENT, rank=missing)
    for held, amounts in released:
        matcher.core.release_above(jobid, _topmost(matcher, held), amounts)
    return Release(Verdict.DONE, full=matcher.root not in tagged(matcher, jobid))


def release_listed(matcher: CMatcher, document: Description, jobid: int) -> Release:
    """Give back the vertices that a document lists, each of which the job must hold exclusively."""
    dominant = matcher.options.subsystems[0]
    holds = matcher.core.holds(jobid)
    listed: dict[int, list[int]] = {}
    for vertex in document.vertices:
        path = vertex.paths.get(dominant, "")
        found = [v for v in matcher.with_path(path) if matcher.description.vertices[v].paths.get(dominant) == path]
        found = [v for v in found if matcher.description.vertices[v].rank == vertex.rank]
        if not found or not holds.get(found[0], 0) & HAS_ALLOCATION:
            return Release(Verdict.INVALID)
        listed.setdefault(vertex.rank, []).append(found[0])
    for held in listed.values():
        amounts = matcher.core.release(jobid, held)
        matcher.core.release_above(jobid, _topmost(matcher, held), amounts)
    return Release(Verdict.DONE, full=matcher.root not in tagged(matcher, jobid))
