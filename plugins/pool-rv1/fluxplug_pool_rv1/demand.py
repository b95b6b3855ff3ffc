"""A request as placement needs it: how much on each node, how many, on which ranks, and whether the machine could ever give it.

Compiled once a shape and kept until the machine changes, because jobs repeat their shapes and constraints are slow to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxplug.resource.request import Shape
    from fluxplug_pool_rv1.machine import Machine

_DISCRETE = (
    "{} count specifies discrete valid values that this scheduler does not support; use a simple min-max range instead"
)


class Demand:
    """What a shape asks of a machine.

    With nodes, `cores` and `gpus` are needed on each of `least` to `most` of them (None: no limit), a multiple of `step`; without,
    they are those of a slot, and `least` to `most` slots lie anywhere. `match` is the mask of ranks that satisfy the constraint, None
    for all. `reason` says why the machine could never give it, None if it could.
    """

    __slots__ = ("cores", "exclusive", "gpus", "least", "match", "most", "nodes", "reason", "shape", "step")

    def __init__(self, shape: Shape, machine: Machine, present: int) -> None:
        """`present` is the mask of the ranks that have not been removed. Raises DocumentError for a bad constraint."""
        slots, nodes = shape.slot_count, shape.node_count
        self.shape = shape
        self.nodes = nodes is not None
        self.exclusive = shape.exclusive
        counted = nodes if nodes is not None else slots
        each = slots.min if nodes is not None else 1
        self.cores, self.gpus = each * shape.slot_size, each * shape.gpu_per_slot
        self.least, self.most, self.step = counted.min, counted.max, shape.node_step if nodes is not None else 1
        self.match: int | None = None
        if shape.constraint is not None:
            self.match = machine.whole.constraint_mask(shape.constraint, machine.ranks)
        self.reason = _discrete(shape) or self._lack(machine, present if self.match is None else present & self.match)

    def slots_on(self, granted: int) -> int:
        """The number of slots where so many nodes (without nodes: slots) were granted."""
        return self.shape.slots_on(granted) if self.nodes else granted

    def _lack(self, machine: Machine, eligible: int) -> str | None:
        """Why not even the whole of the eligible ranks would do."""
        counts = [
            (node[0].bit_count(), node[1].bit_count(), found)
            for node, ranks in machine.kinds.items()
            if (found := (ranks & eligible).bit_count())
        ]
        if self.nodes:
            return self._lack_of_nodes(counts)
        size, gpus, need = self.cores, self.gpus, self.least
        slots = sum(have // size * n for have, _, n in counts)
        if slots < need:
            total = sum(have * n for have, _, n in counts)
            return f"unsatisfiable request: need {need} slot(s) of {size} core(s), only {slots} such slot(s) available (total cores: {total})"
        if gpus:
            slots = sum(min(have // size, gpu // gpus) * n for have, gpu, n in counts)
            if slots < need:
                total = sum(gpu * n for _, gpu, n in counts)
                return f"unsatisfiable request: need {need} slot(s) with {gpus} GPU(s) each, only {slots} available (total GPUs: {total})"
        return None

    def _lack_of_nodes(self, counts: list[tuple[int, int, int]]) -> str | None:
        need = self.least
        nodes = sum(n for *_, n in counts)
        if self.exclusive and nodes < need:
            return f"unsatisfiable request: need {need} exclusive node(s), only {nodes} eligible"
        fit = sum(n for have, gpu, n in counts if have >= self.cores and gpu >= self.gpus)
        if fit < need:
            gpus = f" and {self.gpus} GPUs" if self.gpus else ""
            return f"unsatisfiable request: need {need} node(s) with {self.cores} cores{gpus} each, only {fit} eligible"
        return None


def _discrete(shape: Shape) -> str | None:
    if shape.node_count is not None and shape.node_count.values is not None:
        return _DISCRETE.format("node")
    return _DISCRETE.format("slot") if shape.slot_count.values is not None else None
