"""Sets as Python integers: position i is a member where bit i is set.

Ranks (in a pool's dense numbering), cores and GPUs are kept so, because AND, OR and counting run at memory speed: about a
microsecond for 10,000 bits. Not a type of its own, and no text form: that is `fluxplug.values.idset`.
Used by resource sets, by pools and by their planners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def members(mask: int) -> list[int]:
    """The positions of the one-bits, ascending. A step a run of bits, plus the length of the mask."""
    if mask & (mask - 1) == 0:
        return [mask.bit_length() - 1] if mask else []
    # A bit of mask ^ (mask << 1) is set exactly where membership flips; str.find runs at the speed of memchr.
    flips = bin(mask ^ (mask << 1))[:1:-1]
    out: list[int] = []
    find = flips.find
    start = find("1")
    while start >= 0:
        stop = find("1", start + 1)
        if stop == start + 1:
            out.append(start)
        else:
            out.extend(range(start, stop))
        start = find("1", stop + 1)
    return out


def ascending(mask: int) -> Iterator[int]:
    """The positions of the one-bits, ascending, for callers that may stop early: the first few cost a look at the mask each."""
    for _ in range(8):
        if not mask:
            return
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
    yield from members(mask)


def mask_of(positions: Iterable[int]) -> int:
    """The mask of these positions, in any order; linear in the largest."""
    found = list(positions)
    if len(found) < 8:
        mask = 0
        for i in found:
            mask |= 1 << i
        return mask
    octets = bytearray((max(found) >> 3) + 1)
    for i in found:
        octets[i >> 3] |= 1 << (i & 7)
    return int.from_bytes(octets, "little")


_FEW = 8
"""So few bits are picked one by one: halving a mask takes as long."""


def lowest(mask: int, count: int) -> int:
    """The `count` lowest one-bits of `mask`, which has at least that many. Linear in the length of the mask."""
    low = mask & -mask
    if count <= 1:
        return low if count else 0
    # Free cores and free nodes mostly start with a run that is long enough.
    run = (low << count) - low
    if mask & run == run:
        return run
    if count < _FEW:
        chosen = low
        for _ in range(count - 1):
            low = (mask ^ chosen) & -(mask ^ chosen)
            chosen |= low
        return chosen
    if mask.bit_count() == count:
        return mask
    # Halve the part that holds the border: what is looked at shrinks every time.
    rest, width, border = mask, mask.bit_length(), 0
    while width > 1:
        half = width >> 1
        part = rest & ((1 << half) - 1)
        have = part.bit_count()
        if have >= count:
            rest, width = part, half
        else:
            count -= have
            rest >>= half
            border += half
            width -= half
    return mask & ((2 << border) - 1)
