"""One walk of the graph at one time: what of it satisfies the request, and which edges lead there. Sections 5.4 to 5.8."""

from __future__ import annotations

import errno
from enum import Enum
from typing import TYPE_CHECKING

from attrs import define
from fluxplug_pool_graph.constraint import CONSTRAINED
from fluxplug_pool_graph.jobspec import SLOT, Request, Resource
from fluxplug_pool_graph.matcher import CHECKERS, Visits

from . import aggregates
from .graph import Graph, Link
from .groups import Gathered, Group, Part, node_factor, score
from .planner import RefusedError
from .slots import make_either, make_slots

if TYPE_CHECKING:
    from collections.abc import Sequence


class Mode(Enum):
    """What a walk is for: it decides which checks are made."""

    NOW = "now"  # also refuses what some job holds although its time is over
    LATER = "later"
    SATISFIABILITY = "satisfiability"  # ignores the status


@define(eq=False)
class Found:
    """A vertex that satisfied the walk."""

    score: int
    amount: int
    exclusive: bool
    gathered: Gathered


@define(eq=False)
class Relation:
    """How a vertex relates to the wanted list: what to look for below it, and what for."""

    entry: Resource | None
    slots: list[Resource]
    following: tuple[Resource, ...]
    pristine: bool


class FailedError(Exception):
    """This vertex does not do; the reason is left in `Walk.failure`."""


class Walk:
    """A walk over the whole graph. `resources` is one variant of the request's."""

    def __init__(
        self, graph: Graph, request: Request, resources: Sequence[Resource], *, at: int, duration: int, mode: Mode
    ) -> None:
        self.graph = graph
        self.policy = graph.options.policy
        self.flexible = graph.options.flexible
        self.constraint = request.constraint
        self.resources = tuple(resources)
        self.at, self.duration, self.mode = at, duration, mode
        self.tracked = graph.filters.tracked()
        self.entered = self.succeeded = 0
        self.failure = 0
        self.texts: list[str] = []
        self.labels: dict[int, str] = {}
        self.seen: set[int] = set()
        self.way: dict[int, Link] = {}
        self.factors = 0
        graph.marks += 1
        self.mark = graph.marks
        self.root: Part | None = None

    @property
    def visits(self) -> Visits:
        return Visits(self.entered, self.succeeded)

    def run(self) -> bool:
        """Walk, choose and mark; `root` then has what is needed of the root."""
        try:
            found = self._visit(self.graph.root, self.resources, pristine=True, above=False)
            self._choose_at_root(found)
        except FailedError:
            return False
        return True

    # -- the vertex (5.4)

    def _visit(self, v: int, wanted: tuple[Resource, ...], *, pristine: bool, above: bool) -> Found:
        self.entered += 1
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        exclusive = above or any(entry.type == vertex.type and entry.exclusive for entry in wanted)
        relation = self._relate(v, wanted, pristine)
        self._prune(v, wanted, exclusive)
        self.seen.add(v)
        factor = 0
        if self.policy.node_centric and vertex.type == "node":
            if vertex.id < -1:
                raise self._failed(errno.EINVAL)
            factor = node_factor(vertex)
        self.factors += factor
        if relation.slots:
            gathered = self._explore_slots(v, relation)
        else:
            gathered = self._explore(v, relation.following, relation.pristine, exclusive, 1)
        self.factors -= factor
        self._explore_auxiliary(v)
        amount = state.plan.available(self.at, self.duration)
        if not amount:
            raise self._failed(errno.EBUSY)
        chosen = self._choose(gathered, relation.entry.children, at_root=False) if relation.entry else []
        rank = score(vertex, self.policy, self.factors)
        if chosen:
            self._mark(chosen)
            gathered = Gathered()
        self.succeeded += 1
        return Found(rank, amount, exclusive, gathered)

    def _relate(self, v: int, wanted: tuple[Resource, ...], pristine: bool) -> Relation:
        kind = self.graph.vertex(v).type
        entries = [entry for entry in wanted if entry.type == kind]
        slots = [entry for entry in wanted if entry.type == SLOT]
        if len(entries) + (bool(slots) if self.flexible else len(slots)) > 1:
            self.texts.append(f"test: siblings in jobspec request same resource type : {kind}.\n")
            raise self._failed(errno.EBUSY)
        entry = entries[0] if entries else None
        if self.flexible and not pristine:
            slots = []
        if entry:
            slots = [child for child in entry.children if child.type == SLOT] or slots
        if len(slots) > 1 and not self.flexible:
            self.texts.append(f"test: siblings in jobspec request same resource type : {SLOT}.\n")
            raise self._failed(errno.EBUSY)
        types = self.graph.types_below(v)
        if any({child.type for child in slot.children} <= types for slot in slots):
            return Relation(entry, slots, _union(slots), pristine=False)
        if entry:
            return Relation(entry, [], entry.children, pristine=False)
        if pristine:
            return Relation(None, [], wanted, pristine=True)
        raise self._failed(errno.EBUSY)

    def _prune(self, v: int, wanted: tuple[Resource, ...], exclusive: bool) -> None:
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        if not vertex.up and self.mode is not Mode.SATISFIABILITY:
            raise self._failed(errno.EBUSY)
        if vertex.type in CONSTRAINED and self.constraint and not self.constraint.accepts(vertex):
            raise self._failed(errno.EBUSY)
        if not state.plan.available(self.at, self.duration):
            raise self._failed(errno.EBUSY)
        slot_fails = False
        for entry in wanted:
            if entry.type == vertex.type:
                self._check_exclusive(v, entry, exclusive)
            elif entry.type != SLOT:
                continue
            fails = not self._filter_fits(v, entry)
            if fails and not (self.flexible and entry.type == SLOT):
                raise self._failed(errno.EBUSY)
            slot_fails = fails
        if slot_fails:
            raise self._failed(errno.EBUSY)

    def _check_exclusive(self, v: int, entry: Resource, exclusive: bool) -> None:
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        if exclusive and entry.exclusive is False:
            self.texts.append(f"by_excl: exclusivity conflicts at jobspec={entry.label} : vertex={vertex.name}")
            raise self._failed(errno.EINVAL)
        if exclusive or entry.exclusive:
            if self.mode is Mode.NOW and state.allocations:
                raise self._failed(errno.EBUSY)
            if state.checker.available(self.at, self.duration) < CHECKERS:
                raise self._failed(errno.EBUSY)

    def _filter_fits(self, v: int, entry: Resource) -> bool:
        state = self.graph.states[v]
        needs = aggregates.below(entry.children, self.tracked, flexible=self.flexible)
        if state.filter is None or not needs:
            return True
        try:
            state.filter.fits(self.at, self.duration, needs)
        except RefusedError:
            return False
        return True

    def _failed(self, code: int) -> FailedError:
        self.failure = code
        return FailedError()

    # -- below the vertex (5.5, 5.6, 6.4)

    def _explore(
        self, v: int, wanted: tuple[Resource, ...], pristine: bool, exclusive: bool, multiplier: int
    ) -> Gathered:
        gathered = Gathered()
        tally = Tally(wanted, multiplier)
        links = self.graph.children(v)
        if self.policy.stop_early:
            uniq_id = {link.target: self.graph.vertex(link.target).uniq_id for link in links}
            links.sort(key=lambda link: (link.weight, uniq_id[link.target]), reverse=True)
        for link in links:
            kind = self.graph.vertex(link.target).type
            if link.target in self.seen or (self.policy.stop_early and tally.satisfied(kind)):
                continue
            try:
                found = self._visit(link.target, wanted, pristine=pristine, above=exclusive)
            except FailedError:
                continue
            self.way[link.target] = link
            gathered.absorb(found.gathered)
            gathered.add(kind, Group(found.score, found.amount, [Part(link, found.amount, found.exclusive)]))
            for entry in wanted:
                if entry.type == kind and entry.label:
                    self.labels[link.target] = entry.label
            tally.update(gathered)
            if self.policy.stop_early and tally.all_satisfied():
                break
        return gathered

    def _explore_slots(self, v: int, relation: Relation) -> Gathered:
        multiplier = relation.slots[-1].count.most()
        content = self._explore(v, relation.following, pristine=False, exclusive=True, multiplier=multiplier)
        slots: list[Group] | None = []
        if content.groups:
            if self.flexible:
                slots = make_either(relation.slots, content, self.policy)
            else:
                slots = make_slots(relation.slots[0], content, self.policy)
        if slots is None:
            self.texts.append("dom_slot: not enough slots.\n")
        gathered = Gathered()
        for slot in slots or []:
            gathered.add(SLOT, slot)
        return gathered

    def _explore_auxiliary(self, v: int) -> None:
        """Other subsystems are entered and counted, and take part in nothing (6.8)."""

    # -- choosing (5.7, 5.8)

    def _choose(self, gathered: Gathered, wanted: Sequence[Resource], *, at_root: bool) -> list[Group]:
        chosen: dict[int, list[Group]] = {}
        for place, entry in enumerate(wanted):
            amount = entry.count.fit(gathered.qualified(entry.type))
            if not amount:
                raise self._failed(errno.EBUSY)
            groups = gathered.choose(entry.type, amount, self.policy, at_root=at_root)
            if entry.type == SLOT:
                # Of sibling slots the last one decides (6.7).
                chosen = {p: g for p, g in chosen.items() if wanted[p].type != SLOT}
            chosen[place] = groups
        return [group for groups in chosen.values() for group in groups]

    def _mark(self, groups: Sequence[Group]) -> None:
        for group in groups:
            for part in group.parts:
                part.link.mark, part.link.needs, part.link.exclusive = self.mark, part.needs, part.exclusive

    def _choose_at_root(self, found: Found) -> None:
        root = self.graph.vertex(self.graph.root)
        others = [entry for entry in self.resources if entry.type != root.type]
        needs = root.size
        for entry in self.resources:
            if entry.type == root.type:
                needs = found.amount
                if not entry.count.fit(found.amount):
                    raise self._failed(errno.ENODEV)
        gathered = found.gathered
        chosen = self._choose(gathered, others, at_root=True)
        if any(gathered.qualified(kind) <= 0 for kind in gathered.groups):
            raise self._failed(errno.ENODEV)
        self._mark(chosen)
        types = {entry.type for entry in others}
        for group in chosen:
            for part in group.parts:
                self._climb(part.link.source, gathered, types)
        self.root = Part(Link(-1, self.graph.root, self.graph.dominant), needs, found.exclusive)

    def _climb(self, v: int, gathered: Gathered, chosen_types: set[str]) -> None:
        """Mark the way from the root to what was chosen there."""
        while v != self.graph.root:
            link = self.way[v]
            if link.mark == self.mark:
                return
            vertex = self.graph.vertex(v)
            if vertex.type in gathered.groups and vertex.type not in chosen_types:
                link.mark, link.needs, link.exclusive = self.mark, vertex.size, False
            v = link.source


class Tally:
    """When a policy that stops early has enough of each wanted type (6.4). Of sibling slots the last one counts."""

    def __init__(self, wanted: Sequence[Resource], multiplier: int) -> None:
        self.per = {entry.type: entry.count.most() for entry in wanted}
        self.multiplier = multiplier
        self.totals = dict.fromkeys(self.per, 0)
        self.pending = dict.fromkeys(self.per, 0)
        self.shares = dict.fromkeys(self.per, 0)

    def update(self, gathered: Gathered) -> None:
        """Look at what there is now."""
        for kind, per in self.per.items():
            total = gathered.qualified(kind)
            growth = total - self.totals[kind]
            self.totals[kind] = total
            self.pending[kind] += growth
            if growth and 0 < per <= self.pending[kind]:
                self.shares[kind] += 1
                self.pending[kind] = 0

    def satisfied(self, kind: str) -> bool:
        """Whether no more of a type is looked for."""
        return kind in self.per and (self.per[kind] == 0 or self.shares[kind] >= self.multiplier)

    def all_satisfied(self) -> bool:
        """Whether nothing more is looked for at all."""
        return bool(self.per) and all(self.satisfied(kind) for kind in self.per)


def _union(slots: list[Resource]) -> tuple[Resource, ...]:
    """The contents of alternatives; of a type named twice the entry with the larger minimum (6.7)."""
    content: dict[str, Resource] = {}
    if len(slots) == 1:
        return slots[0].children
    for slot in slots:
        for entry in slot.children:
            known = content.get(entry.type)
            if known is None or entry.count.minimum > known.count.minimum:
                content[entry.type] = entry
    return tuple(content.values())
