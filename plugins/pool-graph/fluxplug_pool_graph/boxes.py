"""The boxes of a picture: which vertices get one of their own, which are summed up in one, and where each box is.

Not here: how a box looks (`picture`), and who has what (`use`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.use import Amounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug_pool_graph.use import Use

#: As many boxes can be told apart on a page, and levels of boxes in each other.
MOST_BOXES, MOST_LEVELS = 2000, 10
#: Below a level that is summed up, siblings are put into this many groups over the whole picture, if each box gets enough.
_GROUPS, _LEAST_GROUPS = 400, 8
#: Up to so many boxes, leaves have their names.
_MOST_NAMES = 300

_PAD, _HEAD, _GAP = 6, 17, 4
SUM_WIDTH, SUM_HEIGHT = 88, 31
NAMED_HEIGHT, CELL = 26, 12
#: About what a small letter takes.
LETTER = 6


@define
class Box:
    """A vertex, or a run of siblings. `kind` is `inner` with boxes in it, `sum` for what is collapsed, or `leaf`.

    `names` says what it is in full; `amounts` has all leaves at or below it, by type.
    """

    kind: str
    label: str
    names: str
    type: str
    children: list[Box] = field(factory=list)
    amounts: dict[str, Amounts] = field(factory=dict)
    highlighted: bool = False
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0
    named: bool = True

    @property
    def measure(self) -> str:
        """The type that its bar shows: cores, else nodes, else what there are most of."""
        for kind in ("core", "node"):
            if kind in self.amounts:
                return kind
        return max(self.amounts, key=lambda kind: (self.amounts[kind].total, kind))


def boxes(use: Use) -> list[Box]:
    """The boxes of the roots, with those in them, and their amounts; linear in the graph."""
    vertices = use.machine.vertices
    level = _level(use)
    made: dict[int, Box] = {}
    owner: dict[int, Box] = {}  # the box in which a vertex is counted
    roots: list[Box] = []
    edge = sum(use.depth[v] == level and bool(use.children[v]) for v in use.order)
    groups = _GROUPS // max(edge, 1)
    for v in use.order:
        vertex, parent = vertices[v], use.parent[v]
        if use.depth[v] > level and v not in owner:
            owner[v] = owner[parent]
        if use.depth[v] <= level:
            path = vertex.paths.get(CONTAINMENT, vertex.name)
            kind = "leaf" if not use.children[v] else "inner" if use.depth[v] < level else "sum"
            box = owner[v] = made[v] = Box(kind, vertex.name, path, vertex.type)
            (made[parent].children if parent >= 0 else roots).append(box)
            if kind == "sum" and _LEAST_GROUPS <= groups < len(use.children[v]):
                _split(use, v, box, groups, owner)
        if not use.children[v]:
            box = owner[v]
            box.amounts.setdefault(vertex.type, Amounts()).add(use.amounts(v))
            box.highlighted |= v in use.highlighted
    names = _count(roots) <= _MOST_NAMES
    for v in reversed(list(made)):
        box = made[v]
        box.named = names or box.kind != "leaf"
        _gather(box)
    return roots


def _level(use: Use) -> int:
    """The deepest level that is drawn box by box: as deep as their number allows."""
    counts: dict[int, int] = {}
    for v in use.order:
        counts[use.depth[v]] = counts.get(use.depth[v], 0) + 1
    level, total = 0, counts[0]
    while level + 1 in counts and level + 1 < MOST_LEVELS and total + counts[level + 1] <= MOST_BOXES:
        level += 1
        total += counts[level]
    return level


def _split(use: Use, v: int, box: Box, groups: int, owner: dict[int, Box]) -> None:
    """Put the children of a vertex into runs, a box each."""
    box.kind = "inner"
    children, vertices = use.children[v], use.machine.vertices
    size = math.ceil(len(children) / groups)
    for start in range(0, len(children), size):
        run = children[start : start + size]
        ends = [vertices[end].name for end in (run[0], run[-1])]
        label = " … ".join(dict.fromkeys(ends))
        part = Box("sum", label, f"{box.names}: {len(run)} from {ends[0]} to {ends[1]}", vertices[run[0]].type)
        box.children.append(part)
        owner |= dict.fromkeys(run, part)


def _gather(box: Box) -> None:
    """Add up what the boxes in it have; they are done."""
    for child in box.children:
        for kind, amounts in child.amounts.items():
            box.amounts.setdefault(kind, Amounts()).add(amounts)
        box.highlighted |= child.highlighted


def _count(several: Sequence[Box]) -> int:
    return sum(1 + _count(box.children) for box in several)


def arrange(roots: list[Box], width: float) -> float:
    """Give every box its place, relative to the one that it is in, within `width`; return the height."""
    for box in roots:
        _measure(box, width)
    return _flow(roots, width, 0, 0)[1]


def _measure(box: Box, limit: float) -> None:
    if box.kind == "leaf":
        box.width = max(34.0, 10 + LETTER * min(len(box.label), 20)) if box.named else CELL
        box.height = NAMED_HEIGHT if box.named else CELL
        return
    if box.kind == "sum":
        box.width, box.height = SUM_WIDTH, SUM_HEIGHT
        return
    limit -= 2 * _PAD
    for child in box.children:
        _measure(child, limit)
    area = sum((child.width + _GAP) * (child.height + _GAP) for child in box.children)
    # Wider than high, as a page is; as wide as its widest child and its own name.
    target = max(min(limit, math.sqrt(area * 2.4)), *(child.width for child in box.children))
    width, height = _flow(box.children, target, _PAD, _HEAD)
    box.width = max(width, 12 + LETTER * min(len(box.label), 24)) + _PAD
    box.height = height + _PAD


def _flow(several: list[Box], width: float, left: float, top: float) -> tuple[float, float]:
    """Place boxes in rows, `width` wide; leaves of another type begin a row. Returns how far right and down they reach."""
    x, y, high, right = left, top, 0.0, left
    last = None
    for box in several:
        breaks = box.kind == "leaf" and last is not None and last.kind == "leaf" and last.type != box.type
        if x > left and (breaks or x + box.width > left + width + 0.5):
            x, y, high = left, y + high + _GAP, 0.0
        box.x, box.y = x, y
        x += box.width + _GAP
        high, right = max(high, box.height), max(right, box.x + box.width)
        last = box
    return right, y + high
