"""Giving back: whole jobs, and what a document names. Sections 7.2 and 7.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug_pool_graph.matcher import Release, Verdict, Visits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxplug_pool_graph.description import Description

    from .graph import Graph


def forget(graph: Graph, v: int, jobid: int) -> int:
    """Drop everything a vertex has of a job; return what it had of its own size."""
    state = graph.states[v]
    state.tags.discard(jobid)
    if jobid in state.checks:
        state.checker.remove(state.checks.pop(jobid))
    if jobid in state.counted and state.filter is not None:
        state.filter.remove(state.counted.pop(jobid))
    amount = 0
    for held in (state.allocations, state.reservations):
        if jobid in held:
            span = held.pop(jobid)
            amount += state.plan.spans[span][2]
            state.plan.remove(span)
    return amount


def cancel(graph: Graph, jobid: int) -> Release:
    """Give back all that a job holds."""
    if jobid not in graph.states[graph.root].tags:
        for v in range(len(graph.states)):
            forget(graph, v, jobid)
        return Release(Verdict.INVALID)
    entered = succeeded = 0

    def visit(v: int) -> None:
        nonlocal entered, succeeded
        entered += 1
        if jobid not in graph.states[v].tags:
            return
        forget(graph, v, jobid)
        for link in graph.children(v):
            visit(link.target)
        succeeded += 1

    visit(graph.root)
    return Release(Verdict.DONE, full=True, visits=Visits(entered, succeeded))


def partial_cancel(graph: Graph, document: Description, form: str, jobid: int) -> Release:
    """Give back what a document names."""
    if form == "rv1exec":
        ranks = sorted({vertex.rank for vertex in document.vertices if vertex.rank >= 0})
        return release_ranks(graph, ranks, jobid)
    return _release_listed(graph, document, jobid)


def release_ranks(graph: Graph, ranks: Iterable[int], jobid: int) -> Release:
    """Give back all vertices of some ranks."""
    missing = -1
    released: dict[int, tuple[list[int], dict[str, int]]] = {}
    for rank in ranks:
        held = [v for v in sorted(graph.present) if graph.vertex(v).rank == rank and jobid in graph.states[v].tags]
        if not held:
            missing = rank if missing < 0 else missing
            continue
        released[rank] = (held, _drop(graph, held, jobid))
    if missing >= 0:
        return Release(Verdict.ABSENT, rank=missing)
    for held, amounts in released.values():
        _reduce_above(graph, _topmost(graph, held), amounts, jobid)
    return Release(Verdict.DONE, full=jobid not in graph.states[graph.root].tags)


def _release_listed(graph: Graph, document: Description, jobid: int) -> Release:
    listed: dict[int, list[int]] = {}
    for vertex in document.vertices:
        path = vertex.paths.get(graph.dominant, "")
        found = [v for v in sorted(graph.present) if graph.vertex(v).paths.get(graph.dominant) == path]
        found = [v for v in found if graph.vertex(v).rank == vertex.rank]
        if not found or jobid not in graph.states[found[0]].allocations:
            return Release(Verdict.INVALID)
        listed.setdefault(vertex.rank, []).append(found[0])
    for held in listed.values():
        amounts = _drop(graph, held, jobid)
        _reduce_above(graph, _topmost(graph, held), amounts, jobid)
    return Release(Verdict.DONE, full=jobid not in graph.states[graph.root].tags)


def _drop(graph: Graph, held: list[int], jobid: int) -> dict[str, int]:
    """Forget the job at some vertices; return how much of each type that was."""
    amounts: dict[str, int] = {}
    for v in held:
        kind = graph.vertex(v).type
        amounts[kind] = amounts.get(kind, 0) + forget(graph, v, jobid)
    return amounts


def _topmost(graph: Graph, held: list[int]) -> int:
    return min(held, key=lambda v: len(graph.vertex(v).paths.get(graph.dominant, "")))


def _reduce_above(graph: Graph, v: int, amounts: dict[str, int], jobid: int) -> None:
    """Take amounts off the filters of all ancestors; one that is left with nothing forgets the job."""
    parent = graph.parent(v)
    while parent is not None:
        state = graph.states[parent]
        if jobid in state.checks:
            state.checker.remove(state.checks.pop(jobid))
        if jobid in state.counted and state.filter is not None:
            if state.filter.reduce(state.counted[jobid], amounts):
                del state.counted[jobid]
                state.tags.discard(jobid)
        else:
            state.tags.discard(jobid)
        parent = graph.parent(parent)
