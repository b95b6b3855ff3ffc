from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.report.packing import Window
from fluxplug.report.series import MOST_EXACT, Lines, cut, means


def area(steps):
    edges, values = steps
    return sum(v * (b - a) for v, a, b in zip(values, edges, edges[1:], strict=False))


def test_a_function_is_cut_to_the_window():
    assert cut([0, 10, 20, 30], [1, 2, 0, 5], Window(5, 25)) == ([5, 10, 20, 25], [1, 2, 0])
    assert cut([10], [3], Window(0, 5)) == ([0, 5], [0.0])


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 100)), unique_by=lambda p: p[0], max_size=30),
    st.integers(2, 300),
)
def test_means_keep_the_area(points, columns):
    points.sort()
    window = Window(1000, 900_000)
    steps = cut([t for t, _ in points], [v for _, v in points], window)
    found = means(steps, window, columns)
    assert area(found) == pytest.approx(area(steps), rel=1e-6, abs=1e-3)
    assert (found[0][0], found[0][-1]) == (window.lo, window.hi)
    assert len(found[0]) == len(found[1]) + 1 <= columns + 2


def test_few_steps_are_exact_and_many_are_not():
    window = Window(0, 1000)
    few = ([0, 500, 1000], [1, 2])
    many = ([*range(MOST_EXACT + 2), 1000], [k % 2 for k in range(MOST_EXACT + 2)])
    assert Lines.of([few], window) == Lines(window, [few])
    both = Lines.of([few, many], window)
    assert both.column == 5
    assert len(both.far) == len(both.close) == 2
    assert area(both.far[1]) == pytest.approx(area(many))
