"""How much a request needs at least below each of its levels, for the filters. Section 4.4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug_pool_graph.jobspec import SLOT, Resource

if TYPE_CHECKING:
    from collections.abc import Sequence


def below(resources: Sequence[Resource], tracked: set[str], *, flexible: bool) -> dict[str, int]:
    """Minimum amounts per tracked type of everything in a list of siblings.

    Under -T flexible sibling slots are alternatives, so they count by the least of them (6.7).
    """
    total: dict[str, int] = {}
    slots: list[dict[str, int]] = []
    for entry in resources:
        part = {
            kind: amount * entry.count.minimum
            for kind, amount in below(entry.children, tracked, flexible=flexible).items()
        }
        if entry.type in tracked:
            part[entry.type] = part.get(entry.type, 0) + entry.count.minimum
        if flexible and entry.type == SLOT:
            slots.append(part)
            continue
        for kind, amount in part.items():
            total[kind] = total.get(kind, 0) + amount
    if slots:
        for kind in set.intersection(*(set(part) for part in slots)):
            total[kind] = total.get(kind, 0) + min(part[kind] for part in slots)
    return total
