"""From what is below a vertex to slots. Section 5.5, and 6.7 for -T flexible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .groups import Gathered, Group, Part, order

if TYPE_CHECKING:
    from fluxplug_pool_graph.jobspec import Resource
    from fluxplug_pool_graph.policies import Policy


def make_slots(slot: Resource, gathered: Gathered, policy: Policy) -> list[Group]:
    """As many slots as there are disjoint bundles of every type of the content."""
    sizes = []
    for entry in slot.children:
        groups = gathered.groups.get(entry.type, [])
        order(groups, policy, "slot")
        sizes.append(entry.count.fit(gathered.qualified(entry.type)))
    if not sizes or not all(sizes):
        return []
    number = min(_bundles(gathered.groups[entry.type], per) for entry, per in zip(slot.children, sizes, strict=True))
    places = dict.fromkeys((entry.type for entry in slot.children), 0)
    slots = []
    for _ in range(number):
        made = _fill(slot, sizes, gathered, places)
        if made is None:
            break
        slots.append(made)
    return slots


def make_either(slots: list[Resource], gathered: Gathered, policy: Policy) -> list[Group] | None:
    """The most slots over all alternatives together; None if the groups run out before that ("not enough slots")."""
    types = list(dict.fromkeys(entry.type for slot in slots for entry in slot.children))
    for kind in types:
        order(gathered.groups.get(kind, []), policy, "slot")
    amounts = {kind: gathered.qualified(kind) for kind in types}
    places = dict.fromkeys(types, 0)
    made = []
    for slot in _most_slots(slots, types, amounts):
        sizes = [entry.count.fit(amounts[entry.type]) for entry in slot.children]
        one = _fill(slot, sizes, gathered, places) if all(sizes) else None
        if one is None:
            return None
        made.append(one)
    return made


def _bundles(groups: list[Group], per: int) -> int:
    number = total = 0
    for group in groups:
        total += group.amount
        if total >= per:
            number += 1
            total = 0
    return number


def _fill(slot: Resource, sizes: list[int], gathered: Gathered, places: dict[str, int]) -> Group | None:
    """One slot from the groups at `places`, which move on; None if they run out."""
    score = 1
    parts: list[Part] = []
    for entry, per in zip(slot.children, sizes, strict=True):
        groups = gathered.groups.get(entry.type, [])
        have = 0
        while have < per:
            if places[entry.type] >= len(groups):
                return None
            group = groups[places[entry.type]]
            places[entry.type] += 1
            have += group.amount
            score += group.score
            parts += group.parts
    return Group(score, 1, parts)


def _most_slots(slots: list[Resource], types: list[str], amounts: dict[str, int]) -> list[Resource]:
    """Which alternative each slot is, by the dynamic programme of 6.7."""
    wanted = slots[-1].count.most()
    if len(slots) == 1:
        sizes = [entry.count.fit(amounts[entry.type]) for entry in slots[0].children]
        if not sizes or not all(sizes):
            return []
        fits = min(amounts[e.type] // per for e, per in zip(slots[0].children, sizes, strict=True))
        return [slots[0]] * min(wanted, fits)

    def after(state: tuple[int, ...], slot: Resource) -> tuple[int, ...] | None:
        """What one more slot of a kind leaves; None if it does not fit."""
        rest = dict(zip(types, state, strict=True))
        takes = [(entry.type, entry.count.fit(rest[entry.type])) for entry in slot.children]
        if not takes or not all(per for _, per in takes):
            return None
        for kind, per in takes:
            rest[kind] -= per
        return tuple(rest.values())

    # State to the most slots from there, and the first alternative that gets there. By a stack, because states go deep.
    best: dict[tuple[int, ...], tuple[int, Resource | None]] = {}
    start = tuple(amounts[kind] for kind in types)
    stack = [start]
    while stack:
        state = stack[-1]
        following = [(slot, rest) for slot in slots if (rest := after(state, slot)) is not None]
        unknown = [rest for _, rest in following if rest not in best]
        if unknown:
            stack += unknown
            continue
        stack.pop()
        found: tuple[int, Resource | None] = (0, None)
        for slot, rest in following:
            if 1 + best[rest][0] > found[0]:
                found = (1 + best[rest][0], slot)
        best[state] = found
    chosen = []
    state = start
    while (slot := best[state][1]) is not None:
        chosen.append(slot)
        state = after(state, slot) or state
    return chosen
