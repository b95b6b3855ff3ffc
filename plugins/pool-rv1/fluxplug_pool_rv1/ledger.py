"""Which cores and GPUs of each rank are free, indexed so that an allocation costs what it takes, not what there is.

    idle        mask of the ranks that have everything free
    part        index -> (free cores, free GPUs), for the ranks between all and nothing
    levels      key -> mask of the ranks with just that many free; every rank is in one of them
    order       the keys of `levels`, ascending

A rank that is neither idle nor in `part` has nothing free. So whole nodes move by a few operations on masks, however many they are;
only a rank that is shared is written one by one. Not here: who holds what, what is up, and where to place (`placement`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from fluxplug.resource.bits import mask_of, members

if TYPE_CHECKING:
    from fluxplug.resource.document import Node
    from fluxplug_pool_rv1.machine import Machine, Part

NOTHING: Node = (0, 0)


class Ledger:
    """The free cores and GPUs of a machine's ranks; at first everything."""

    __slots__ = ("idle", "levels", "machine", "order", "part")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.idle = machine.everything
        self.part: dict[int, Node] = {}
        self.levels: dict[int, int] = {}
        for key, nodes in machine.kinds_of_key.items():
            mask = 0
            for node in nodes:
                mask |= machine.kinds[node]
            self.levels[key] = mask
        self.order = sorted(self.levels)

    def copy(self) -> Ledger:
        """An independent ledger; linear in the ranks that are shared, not in all."""
        new = Ledger.__new__(Ledger)
        new.machine, new.idle = self.machine, self.idle
        new.part, new.levels, new.order = self.part.copy(), self.levels.copy(), self.order.copy()
        return new

    def free_on(self, i: int) -> Node:
        """What is free on one rank."""
        found = self.part.get(i)
        if found is None:
            return self.machine.full[i] if self.idle >> i & 1 else NOTHING
        return found

    def take(self, piece: Part) -> None:
        """Take a piece, all of which is free."""
        mask, cores, gpus, count = piece
        machine = self.machine
        if count == 1:
            i = mask.bit_length() - 1
            have = self.part.get(i)
            if have is None:
                have = machine.full[i]
                self.idle ^= mask
            left = (have[0] ^ cores, have[1] ^ gpus)
            if left[0] or left[1]:
                self.part[i] = left
            else:
                self.part.pop(i, None)
            before = have[0].bit_count() * machine.stride + have[1].bit_count()
            self._move(mask, before, before - cores.bit_count() * machine.stride - gpus.bit_count())
            return
        key = machine.key
        idle = mask & self.idle
        if idle:
            self.idle ^= idle
            for node, ranks in self.kinds_in(idle):
                left = (node[0] ^ cores, node[1] ^ gpus)
                if left != NOTHING:
                    self.part.update(dict.fromkeys(members(ranks), left))
                self._move(ranks, key(node), key(left))
        self._change_each(mask ^ idle, cores, gpus)

    def give(self, piece: Part) -> None:
        """Give back a piece, nothing of which is free."""
        mask, cores, gpus, count = piece
        machine = self.machine
        if count == 1:
            i = mask.bit_length() - 1
            have = self.part.get(i, NOTHING)
            now = (have[0] ^ cores, have[1] ^ gpus)
            if now == machine.full[i]:
                self.part.pop(i, None)
                self.idle ^= mask
            elif now != NOTHING:
                self.part[i] = now
            before = have[0].bit_count() * machine.stride + have[1].bit_count()
            self._move(mask, before, before + cores.bit_count() * machine.stride + gpus.bit_count())
            return
        # Where the piece is all that a rank has, the rank becomes idle, and nothing of it was free.
        whole = mask & machine.kinds.get((cores, gpus), 0)
        if whole and (cores or gpus):
            self.idle ^= whole
            self._move(whole, 0, machine.key((cores, gpus)))
            mask ^= whole
        self._change_each(mask, cores, gpus)

    def kinds_in(self, mask: int) -> list[tuple[Node, int]]:
        """What ranks of `mask` have in all, and which they are."""
        kinds = self.machine.kinds
        if len(kinds) == 1:
            return [(next(iter(kinds)), mask)]
        return [(node, found) for node, ranks in kinds.items() if (found := ranks & mask)]

    def _change_each(self, mask: int, cores: int, gpus: int) -> None:
        """Flip the same cores and GPUs on ranks that do not have everything free, before the change or after it."""
        if not mask:
            return
        part, full, key = self.part, self.machine.full, self.machine.key
        moves: dict[tuple[int, int], list[int]] = {}
        idle = []
        keys: dict[Node, int] = {}
        for i in members(mask):
            have = part.get(i, NOTHING)
            now = (have[0] ^ cores, have[1] ^ gpus)
            if now == full[i]:
                part.pop(i, None)
                idle.append(i)
            elif now == NOTHING:
                del part[i]
            else:
                part[i] = now
            old = keys.get(have)
            if old is None:
                old = keys[have] = key(have)
            new = keys.get(now)
            if new is None:
                new = keys[now] = key(now)
            moves.setdefault((old, new), []).append(i)
        self.idle |= mask_of(idle)
        for (old, new), indexes in moves.items():
            self._move(mask_of(indexes), old, new)

    def _move(self, mask: int, old: int, new: int) -> None:
        """Ranks change their level."""
        levels = self.levels
        rest = levels[old] ^ mask
        if rest:
            levels[old] = rest
        else:
            del levels[old]
            del self.order[bisect_left(self.order, old)]
        there = levels.get(new)
        if there is None:
            levels[new] = mask
            insort(self.order, new)
        else:
            levels[new] = there | mask

    def check(self) -> None:
        """Recompute the indexes from `idle` and `part`. Raises AssertionError."""
        machine = self.machine
        levels: dict[int, int] = {}
        for i, full in enumerate(machine.full):
            free = self.free_on(i)
            stray = free[0] & ~full[0] | free[1] & ~full[1]
            if stray:
                raise AssertionError(f"index {i} has free what it does not have: {free} of {full}")
            if i in self.part and (free in {full, NOTHING} or self.idle >> i & 1):
                raise AssertionError(f"index {i} is kept as shared but is not: {free} of {full}")
            levels[machine.key(free)] = levels.get(machine.key(free), 0) | 1 << i
        if levels != self.levels:
            raise AssertionError(f"levels are {self.levels}, should be {levels}")
        if self.order != sorted(levels):
            raise AssertionError(f"keys are {self.order}, should be {sorted(levels)}")
