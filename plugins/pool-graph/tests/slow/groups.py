"""What a walk gathers below a vertex, and how the best of it is chosen. Sections 5.7, 6.2 and 6.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from .sorting import introsort

if TYPE_CHECKING:
    from fluxplug_pool_graph.description import Vertex
    from fluxplug_pool_graph.policies import Policy

    from .graph import Link

#: What `variation` assumes of a vertex without a readable class.
WORST_CLASS = 9999


@define(eq=False)
class Part:
    """One edge of a group, and what is to be taken of its target."""

    link: Link
    needs: int
    exclusive: bool


@define(eq=False)
class Group:
    """A candidate: one vertex, or one slot with all its parts."""

    score: int
    amount: int
    parts: list[Part]


@define(eq=False)
class Gathered:
    """Candidates by type, in the order in which they were found or last sorted."""

    groups: dict[str, list[Group]] = field(factory=dict)

    def add(self, kind: str, group: Group) -> None:
        """Append one."""
        self.groups.setdefault(kind, []).append(group)

    def absorb(self, other: Gathered) -> None:
        """Append all of another."""
        for kind, groups in other.groups.items():
            self.groups.setdefault(kind, []).extend(groups)

    def qualified(self, kind: str) -> int:
        """How much of a type there is; candidates without a positive score do not count (5.8)."""
        return sum(group.amount for group in self.groups.get(kind, ()) if group.score > 0)

    def choose(self, kind: str, amount: int, policy: Policy, *, at_root: bool) -> list[Group]:
        """The best groups until `amount` is covered; the last is taken whole. Sorts for good."""
        groups = self.groups[kind]
        order(groups, policy, "root" if at_root else "vertex")
        chosen = []
        for group in groups:
            if amount <= 0:
                break
            chosen.append(group)
            amount -= group.amount
        return chosen


def order(groups: list[Group], policy: Policy, where: str) -> None:
    """Sort by the policy, best first; `where` is `vertex`, `slot` or `root`."""
    if policy.order == "locality" and where == "root":
        runs = _runs({group.score for group in groups})
        introsort(groups, lambda a, b: runs[a.score] > runs[b.score])
    elif policy.order == "low" or (policy.order == "variation" and where != "slot"):
        introsort(groups, lambda a, b: a.score < b.score)
    else:
        introsort(groups, lambda a, b: a.score > b.score)


def _runs(scores: set[int]) -> dict[int, int]:
    """Score to the number of its run of consecutive integers, counted from below."""
    runs: dict[int, int] = {}
    run = 0
    for score in sorted(scores):
        if score - 1 not in runs:
            run += 1
        runs[score] = run
    return runs


def node_factor(vertex: Vertex) -> int:
    """What a node adds to the scores of all below it."""
    # The remainder keeps the sign of the dividend; uniq_id is never negative in practice.
    return (vertex.id + 2) * 10000 + abs(vertex.uniq_id % 10000 - 1)


def score(vertex: Vertex, policy: Policy, factors: int) -> int:
    """The score of one vertex; `factors` is the sum over the nodes that are being visited."""
    if policy.order == "variation":
        return 1 + _performance_class(vertex)
    if policy.order == "locality":
        return 1 + vertex.id + 1
    return 1 + factors + vertex.id + 1


def _performance_class(vertex: Vertex) -> int:
    text = vertex.properties.get("perf_class", "").lstrip()
    sign = text[:1] if text[:1] in ("+", "-") else ""
    digits = ""
    for character in text[len(sign) :]:
        if character not in "0123456789":
            break
        digits += character
    if not digits:
        return WORST_CLASS
    value = int(sign + digits)
    return value if 0 <= value <= WORST_CLASS else WORST_CLASS
