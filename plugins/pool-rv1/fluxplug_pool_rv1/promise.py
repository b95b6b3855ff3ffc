"""What the plan of an Rv1 pool notes down: a `Promise`, and a `Want`, a demand as the plan sees it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxplug.resource.request import ResourceRequest
    from fluxplug.resource.timeline import Timeline
    from fluxplug_pool_rv1.demand import Demand

Named = list[tuple[int, int, int]]
"""(index, cores, GPUs) of the nodes that a promise names."""


class Promise:
    """Resources from `start` until `end`: `cores` and `gpus` of the single node, `nodes` of classes, or `named` parts of nodes.

    Where it is an `amount` of one `line`, `mark` tells these two; else `line` is None. `fixed`: its nodes can be of one class only.
    `pooled`: its `cores` are of any nodes.
    """

    __slots__ = (
        "amount",
        "cores",
        "demand",
        "end",
        "fixed",
        "gpus",
        "line",
        "mark",
        "named",
        "nodes",
        "pooled",
        "request",
        "start",
    )

    def __init__(self, request: ResourceRequest, demand: Demand, start: float) -> None:
        self.request = request
        self.demand = demand
        self.start = start
        self.end = start + (request.duration or math.inf)
        self.cores = self.gpus = 0
        self.nodes: list[tuple[int, int]] = []
        self.named: Named = []
        self.fixed = self.pooled = False
        self.line: Timeline | None = None
        self.amount = 0
        self.mark = (0, 0)


class Want:
    """A demand as the plan sees it: an amount of one line (`line`), of several classes (`classes`), or parts of nodes (neither).

    `units`: so many single cores anywhere on a machine of many nodes, an amount of the total.
    """

    __slots__ = ("amount", "classes", "gpus", "line", "units")

    def __init__(self) -> None:
        self.line: Timeline | None = None
        self.amount = 0
        self.gpus = 0
        self.classes: list[int] = []
        self.units = False
