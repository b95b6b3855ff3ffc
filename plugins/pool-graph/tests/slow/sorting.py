"""The sort that decides between equals (6.5), and the orders of the policies (6.3)."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from typing import TypeVar

T = TypeVar("T")
Less = Callable[[T, T], bool]

#: Ranges up to this length are left to the insertion sort.
SMALL = 16


def introsort(a: MutableSequence[T], lt: Less[T]) -> None:
    """Sort in place, equals ending where the usual libstdc++ leaves them."""
    n = len(a)
    if n > SMALL:
        _split(a, 0, n, 2 * (n.bit_length() - 1), lt)
    for i in range(1, min(n, SMALL)):
        value = a[i]
        if lt(value, a[0]):
            a[1 : i + 1] = a[0:i]
            a[0] = value
        else:
            _shift_left(a, i, lt)
    for i in range(SMALL, n):
        _shift_left(a, i, lt)


def _shift_left(a: MutableSequence[T], i: int, lt: Less[T]) -> None:
    value = a[i]
    while lt(value, a[i - 1]):
        a[i] = a[i - 1]
        i -= 1
    a[i] = value


def _split(a: MutableSequence[T], first: int, last: int, depth: int, lt: Less[T]) -> None:
    while last - first > SMALL:
        if depth == 0:
            _heapsort(a, first, last, lt)
            return
        depth -= 1
        median = _median(a, first + 1, first + (last - first) // 2, last - 1, lt)
        a[first], a[median] = a[median], a[first]
        i, j = first + 1, last
        pivot = a[first]
        while True:
            while lt(a[i], pivot):
                i += 1
            j -= 1
            while lt(pivot, a[j]):
                j -= 1
            if not i < j:
                break
            a[i], a[j] = a[j], a[i]
            i += 1
        _split(a, i, last, depth, lt)
        last = i


def _median(a: MutableSequence[T], x: int, y: int, z: int, lt: Less[T]) -> int:
    if lt(a[x], a[y]):
        if lt(a[y], a[z]):
            return y
        return z if lt(a[x], a[z]) else x
    if lt(a[x], a[z]):
        return x
    return z if lt(a[y], a[z]) else y


def _heapsort(a: MutableSequence[T], first: int, last: int, lt: Less[T]) -> None:
    heap = list(a[first:last])
    for parent in range((len(heap) - 2) // 2, -1, -1):
        _sift(heap, parent, len(heap), heap[parent], lt)
    for end in range(len(heap) - 1, 0, -1):
        value, heap[end] = heap[end], heap[0]
        _sift(heap, 0, end, value, lt)
    a[first:last] = heap


def _sift(heap: list[T], hole: int, n: int, value: T, lt: Less[T]) -> None:
    """Down to a leaf along the greater children, then up to where `value` belongs."""
    top = child = hole
    while child < (n - 1) // 2:
        child = 2 * (child + 1)
        if lt(heap[child], heap[child - 1]):
            child -= 1
        heap[hole] = heap[child]
        hole = child
    if n % 2 == 0 and child == (n - 2) // 2:
        child = 2 * child + 1
        heap[hole] = heap[child]
        hole = child
    parent = (hole - 1) // 2
    while hole > top and lt(heap[parent], value):
        heap[hole] = heap[parent]
        hole = parent
        parent = (hole - 1) // 2
    heap[hole] = value
