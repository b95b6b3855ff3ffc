from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fluxplug.resource.bits import ascending, lowest, mask_of, members

positions = st.sets(st.integers(0, 400), max_size=60)


@given(positions)
def test_members_and_mask_are_inverse(ids):
    assert members(mask_of(ids)) == list(ascending(mask_of(ids))) == sorted(ids)
    assert mask_of(iter(ids)) == sum(1 << i for i in ids)


@given(st.integers(0, 300), st.integers(1, 200))
def test_a_run_of_bits(start, length):
    assert members(((1 << length) - 1) << start) == list(range(start, start + length))


@given(positions, st.data())
def test_lowest_is_the_head_of_the_sorted_members(ids, data):
    count = data.draw(st.integers(0, len(ids)))
    assert members(lowest(mask_of(ids), count)) == sorted(ids)[:count]
