"""Sets of small non-negative integers with a text form (RFC 22): ranks, core ids, GPU ids, task ids.

Not an ordered list and not a multiset. The set is kept as the sorted list of the points where membership flips, so
`0-4294967292` costs two integers, a lookup is one bisection, and set algebra is one merge. Resource pools hold rank sets
as Python integers and convert with `from_mask` and `mask`; documents (R, jobspec, taskmap) use the text form.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import index as as_int
from typing import NoReturn, TypeAlias, cast

from fluxplug.errors import ParseError

IDSET_FLAG_BRACKETS = 2
IDSET_FLAG_RANGE = 4
#: The answer of `first`, `last` and `next` when there is no such id.
IDSET_INVALID_ID = 2**32 - 2
#: Ids are 32 bits wide in Flux and the top values are reserved.
MAX_ID = 2**32 - 4

_MASK_LIMIT = 2**24
_ALL_FLAGS = IDSET_FLAG_BRACKETS | IDSET_FLAG_RANGE

IDsetLike: TypeAlias = "IDset | str | int | Iterable[int]"


class IDset:
    """A mutable set of ids in 0..4294967292.

    `arg` is an idset string, an iterable of ids in any order, one id, or another set. `flags` chooses the default form of
    `encode` and `str`: IDSET_FLAG_RANGE (`0-3,8`, the normal one), 0 (`0,1,2,3,8`), and IDSET_FLAG_BRACKETS on top of
    either (`[0-3,8]`; one id and the empty set have no brackets).

    Raises ParseError for a string that is no idset, ValueError for an id out of range, TypeError for anything else.
    """

    __slots__ = ("_edges", "_flags")

    _edges: list[int]  # ascending, even in number: ids in [e0, e1), [e2, e3), ... are members
    _flags: int

    def __init__(self, arg: IDsetLike = "", flags: int = IDSET_FLAG_RANGE) -> None:
        self.set_flags(flags)
        if isinstance(arg, str):
            self._edges = _parse(arg)
        elif isinstance(arg, IDset):
            self._edges = arg._edges.copy()  # noqa: SLF001 - same class
        elif isinstance(arg, Iterable):
            self._edges = _from_ids(sorted({as_int(i) for i in arg}))
        else:
            self._edges = _from_ids([as_int(arg)])

    @classmethod
    def from_mask(cls, mask: int) -> IDset:
        """The set of the positions of the one-bits of `mask`. Linear in its length, plus a step a range.

        Raises ValueError for a negative mask or one with a bit beyond 2**24.
        """
        if mask < 0:
            raise ValueError("a mask cannot be negative")
        if mask.bit_length() > _MASK_LIMIT + 1:
            raise ValueError(f"a mask cannot be longer than {_MASK_LIMIT + 1} bits")
        new = cls()
        low = (mask & -mask).bit_length() - 1
        run = mask >> max(low, 0)
        if run and not run & (run + 1):  # one range, the usual case: all of a pool, the nodes of a job
            new._edges = [low, mask.bit_length()]
            return new
        # A bit of m ^ (m << 1) is set exactly where membership flips; the text form finds them at the speed of memchr.
        flips = bin(mask ^ (mask << 1))[:1:-1]
        position = flips.find("1")
        edges = new._edges
        while position >= 0:
            edges.append(position)
            position = flips.find("1", position + 1)
        return new

    @classmethod
    def _wrap(cls, edges: list[int], flags: int = IDSET_FLAG_RANGE) -> IDset:
        new = cls("", flags)
        new._edges = edges
        return new

    def mask(self) -> int:
        """The integer whose one-bits are the members; linear in its length.

        Raises ValueError when the largest id is over 2**24: such a set would need megabytes.
        """
        edges = self._edges
        if not edges:
            return 0
        if edges[-1] > _MASK_LIMIT + 1:
            raise ValueError(f"the set has ids over {_MASK_LIMIT}")
        if len(edges) == 2:
            return (1 << edges[1]) - (1 << edges[0])
        # The sum of 2**end - 2**start over the ranges, each power written straight into its byte.
        size = (edges[-1] >> 3) + 1
        starts, ends = bytearray(size), bytearray(size)
        for edge in edges[::2]:
            starts[edge >> 3] |= 1 << (edge & 7)
        for edge in edges[1::2]:
            ends[edge >> 3] |= 1 << (edge & 7)
        return int.from_bytes(ends, "little") - int.from_bytes(starts, "little")

    def set(self, i: int, end: int | None = None) -> IDset:
        """Add `i`, or every id of `i`..`end` (inclusive); returns self. TypeError, ValueError (negative, end < i)."""
        self._fill(i, end, member=True)
        return self

    def clear(self, i: int, end: int | None = None) -> IDset:
        """Remove `i`, or every id of `i`..`end` (inclusive); returns self. TypeError, ValueError (negative, end < i)."""
        self._fill(i, end, member=False)
        return self

    def _fill(self, i: int, end: int | None, *, member: bool) -> None:
        start = _check_id(i)
        stop = start + 1 if end is None else _check_id(end) + 1
        if stop <= start:
            raise ValueError(f"range end {end} is less than its start {i}")
        edges = self._edges
        left, right = bisect_left(edges, start), bisect_right(edges, stop)
        # An edge stays at either border only where the state outside differs from the state that we write.
        patch = [start] if bool(left & 1) != member else []
        if bool(right & 1) != member:
            patch.append(stop)
        edges[left:right] = patch

    def test(self, i: int) -> bool:
        """Whether `i` is a member. Raises TypeError for a non-integer, ValueError for a negative id."""
        i = as_int(i)
        if i < 0:
            raise ValueError(f"an id cannot be negative: {i}")
        return bool(bisect_right(self._edges, i) & 1)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The maximal runs as (first, last), both inclusive, ascending."""
        edges = self._edges
        return ((edges[k], edges[k + 1] - 1) for k in range(0, len(edges), 2))

    def expand(self) -> list[int]:
        """All members, ascending."""
        return list(self)

    def count(self) -> int:
        """The number of members."""
        edges = self._edges
        return sum(edges[1::2]) - sum(edges[::2])

    def copy(self) -> IDset:
        """An independent set with the same members and flags."""
        return self._wrap(self._edges.copy(), self._flags)

    def set_flags(self, flags: int) -> None:
        """Choose the default form of `encode`. Raises ValueError for unknown flags."""
        self._flags = _check_flags(flags)

    def encode(self, flags: int | None = None) -> str:
        """The text form; the empty set is the empty string in every form. Without RANGE, linear in the members."""
        flags = self._flags if flags is None else _check_flags(flags)
        edges = self._edges
        if flags & IDSET_FLAG_RANGE:
            items = [
                str(edges[k]) if edges[k + 1] - edges[k] == 1 else f"{edges[k]}-{edges[k + 1] - 1}"
                for k in range(0, len(edges), 2)
            ]
        else:
            items = [str(i) for i in self]
        text = ",".join(items)
        several = len(edges) > 2 or (len(edges) == 2 and edges[1] - edges[0] > 1)
        return f"[{text}]" if flags & IDSET_FLAG_BRACKETS and several else text

    def first(self) -> int:
        """The smallest id, or IDSET_INVALID_ID."""
        return self._edges[0] if self._edges else IDSET_INVALID_ID

    def last(self) -> int:
        """The largest id, or IDSET_INVALID_ID."""
        return self._edges[-1] - 1 if self._edges else IDSET_INVALID_ID

    def next(self, i: int) -> int:
        """The smallest id greater than `i`, or IDSET_INVALID_ID."""
        i = as_int(i) + 1
        edges = self._edges
        k = bisect_right(edges, i)
        if k & 1:
            return i
        return edges[k] if k < len(edges) else IDSET_INVALID_ID

    def add(self, x: IDsetLike) -> IDset:
        """Add every member of `x`, in place; returns self."""
        self._edges = _merge(self._edges, _edges_of(x), 1)
        return self

    def subtract(self, x: IDsetLike) -> IDset:
        """Remove every member of `x`, in place; returns self."""
        self._edges = _subtract(self._edges, _edges_of(x))
        return self

    def union(self, *others: IDsetLike) -> IDset:
        """A new set: what is in any of them."""
        edges = self._edges.copy()
        for other in others:
            edges = _merge(edges, _edges_of(other), 1)
        return self._wrap(edges, self._flags)

    def intersect(self, *others: IDsetLike) -> IDset:
        """A new set: what is in all of them."""
        edges = self._edges.copy()
        for other in others:
            edges = _merge(edges, _edges_of(other), 2)
        return self._wrap(edges, self._flags)

    def difference(self, *others: IDsetLike) -> IDset:
        """A new set: what is in this one and in none of `others`."""
        edges = self._edges.copy()
        for other in others:
            edges = _subtract(edges, _edges_of(other))
        return self._wrap(edges, self._flags)

    def equal(self, other: IDset) -> bool:
        """Whether both have the same members. Raises TypeError unless `other` is an IDset."""
        if not isinstance(other, IDset):
            raise TypeError(f"expected an IDset, not {type(other).__name__}")
        return self._edges == other._edges

    def __contains__(self, i: object) -> bool:
        return self.test(cast("int", i))

    def __getitem__(self, i: int) -> bool:
        return self.test(i)

    def __setitem__(self, i: int, member: bool) -> None:
        self._fill(i, None, member=bool(member))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return bool(self._edges)

    def __iter__(self) -> Iterator[int]:
        edges = self._edges
        for k in range(0, len(edges), 2):
            yield from range(edges[k], edges[k + 1])

    def __eq__(self, other: object) -> bool:
        return self._edges == other._edges if isinstance(other, IDset) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __or__(self, other: IDsetLike) -> IDset:
        return self.union(other)

    __add__ = __or__

    def __and__(self, other: IDsetLike) -> IDset:
        return self.intersect(other)

    def __sub__(self, other: IDsetLike) -> IDset:
        return self.difference(other)

    def __iadd__(self, other: IDsetLike) -> IDset:  # noqa: PYI034 - typing.Self needs 3.11
        return self.add(other)

    __ior__ = __iadd__

    def __isub__(self, other: IDsetLike) -> IDset:  # noqa: PYI034
        return self.subtract(other)

    def __iand__(self, other: IDsetLike) -> IDset:  # noqa: PYI034
        self._edges = _merge(self._edges, _edges_of(other), 2)
        return self

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"IDset('{self.encode(IDSET_FLAG_RANGE)}')"


def decode(text: str) -> IDset:
    """Read an idset string. Raises ParseError (a ValueError)."""
    return IDset(text)


def _edges_of(x: IDsetLike) -> list[int]:
    return (x if isinstance(x, IDset) else IDset(x))._edges  # noqa: SLF001 - same module


def _check_id(i: int) -> int:
    i = as_int(i)
    if not 0 <= i <= MAX_ID:
        raise ValueError(f"an id must be in 0..{MAX_ID}, not {i}")
    return i


def _check_flags(flags: int) -> int:
    if flags & ~_ALL_FLAGS:
        raise ValueError(f"unknown idset flags {flags:#x}")
    return flags


def _from_ids(ids: list[int]) -> list[int]:
    """Edges of ascending, distinct ids."""
    if not ids:
        return []
    _check_id(ids[0])
    _check_id(ids[-1])
    if ids[-1] - ids[0] == len(ids) - 1:
        return [ids[0], ids[-1] + 1]
    edges = [ids[0]]
    before = ids[0]
    for i in ids:
        if i - before > 1:
            edges += (before + 1, i)
        before = i
    edges.append(before + 1)
    return edges


def _merge(a: list[int], b: list[int], need: int) -> list[int]:
    """Edges of the ids that are in at least `need` of the two sets: 1 is the union, 2 the intersection."""
    if not a or not b:
        return (a or b).copy() if need == 1 else []
    # +1 where a set begins, -1 where it ends; sort() merges the two ascending runs in linear time. Of two marks at one
    # point the begin counts first, so that touching ranges coalesce; in an intersection the end does.
    begin, end = (0, 1) if need == 1 else (1, 0)
    marks = [(e, end if k & 1 else begin) for edges in (a, b) for k, e in enumerate(edges)]
    marks.sort()
    out: list[int] = []
    depth = 0
    for point, kind in marks:
        if kind == begin:
            depth += 1
            if depth == need:
                out.append(point)
        else:
            if depth == need:
                out.append(point)
            depth -= 1
    return out


def _subtract(a: list[int], b: list[int]) -> list[int]:
    """Edges of the ids of `a` that are not in `b`: the intersection with the complement."""
    if not a or not b:
        return a.copy()
    complement = b[1:] if b[0] == 0 else [0, *b]
    complement.append(MAX_ID + 1)
    if complement[-2] == complement[-1]:
        del complement[-2:]
    return _merge(a, complement, 2)


def _parse(text: str) -> list[int]:
    """Edges of an idset string. Empty items are skipped, as Flux does; ids are never wrapped."""
    begin, end = 0, len(text)
    if text.startswith("["):
        if not text.endswith("]"):
            _fail("unclosed bracket", text, 0)
        begin, end = 1, end - 1
    edges: list[int] = []
    stop = 0  # one past the largest id so far
    position = begin
    for item in text[begin:end].split(","):
        if item:
            first, dash, last = item.partition("-")
            low = _parse_id(first, text, position)
            if low < stop:
                _fail("ids must ascend without overlap", text, position)
            high = _parse_id(last, text, position + len(first) + 1) if dash else low
            if dash and high <= low:
                _fail("a range must end above its start", text, position + len(first) + 1)
            if edges and edges[-1] == low:
                edges[-1] = high + 1
            else:
                edges += (low, high + 1)
            stop = high + 1
        position += len(item) + 1
    return edges


def _parse_id(digits: str, text: str, position: int) -> int:
    if not (digits.isascii() and digits.isdigit()):
        _fail("expected a decimal id", text, position)
    if digits[0] == "0" and len(digits) > 1:
        _fail("an id has no leading zeros", text, position)
    # Checked before int(): its cost grows with the square of the length, and CPython refuses over 4300 digits.
    if len(digits) > 10 or int(digits) > MAX_ID:
        _fail(f"an id cannot exceed {MAX_ID}", text, position)
    return int(digits)


def _fail(reason: str, text: str, position: int) -> NoReturn:
    raise ParseError(reason, text, position)
