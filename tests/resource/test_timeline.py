"""Timeline against the obvious model: a list of who takes how much from when until when. With blocks of all sizes."""

from __future__ import annotations

import math

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.resource import timeline
from fluxplug.resource.timeline import Timeline

TOTAL = 10


@define
class Model:
    """The same questions, answered from the list of entries."""

    now: float
    entries: list[tuple[float, float, int]] = field(factory=list)

    def at(self, time):
        return TOTAL - sum(amount for start, end, amount in self.entries if start <= max(time, self.now) < end)

    def changes(self):
        """The times at which something could change, from now on."""
        times = {time for start, end, _ in self.entries for time in (start, end)}
        return sorted({self.now, *(time for time in times if self.now < time < math.inf)})

    def within(self, start, end):
        return [self.at(start), *(self.at(time) for time in self.changes() if start < time < end)]

    def fits(self, amount, duration, start):
        return min(self.within(start, start + duration)) >= amount

    def earliest(self, amount, duration, after):
        times = sorted({max(after, self.now), *(time for time in self.changes() if time > after)})
        return next((time for time in times if self.fits(amount, duration, time)), None)

    def room(self, amount, at):
        if self.at(at) < amount:
            return -1
        return min((time - at for time in self.changes() if time > at and self.at(time) < amount), default=math.inf)

    def steps(self):
        found = []
        for time in self.changes():
            if not found or found[-1][1] != self.at(time):
                found.append((time, self.at(time)))
        return found


times = st.one_of(st.integers(0, 40), st.integers(0, 80).map(lambda halves: halves / 2))
ends = st.one_of(times, st.just(math.inf))
takes = st.tuples(times, ends, st.integers(1, 6))


@pytest.fixture(params=[1, 2, 3, 512], autouse=True, scope="module")
def block(request):
    """Blocks of few steps, so that small plans have many; and as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "BLOCK", request.param)
        yield request.param


def made(entries, now=0):
    line, model = Timeline(TOTAL, now), Model(now)
    for start, end, amount in entries:
        line.take(start, end, amount)
        model.entries.append((start, end, amount))
        line.check()
    return line, model


@settings(deadline=None)
@given(st.lists(takes, max_size=12), st.data())
def test_taking_giving_back_and_forgetting(entries, data):
    line, model = Timeline(TOTAL, 0), Model(0)
    for entry in entries:
        what = data.draw(st.sampled_from(["take", "take", "take", "give", "advance", "copy"]))
        if what == "advance":
            model.now = max(model.now, entry[0])
            line.advance(entry[0])
            assert line.now == model.now
        elif what == "copy":
            old, line = line, line.copy()
            old.take(0, math.inf, 3)
        elif what == "give" and model.entries:
            start, end, amount = model.entries.pop(data.draw(st.integers(0, len(model.entries) - 1)))
            line.take(max(start, model.now), end, -amount)
        elif entry[0] >= model.now:
            line.take(*entry)
            model.entries.append(entry)
        line.check()
        assert list(line.steps()) == model.steps()
        assert line.free_now == model.at(model.now)


@settings(deadline=None)
@given(st.lists(takes, max_size=12), times, st.data())
def test_questions(entries, now, data):
    line, model = made([entry for entry in entries if entry[0] >= now], now)
    amount, duration = data.draw(st.integers(1, TOTAL)), data.draw(st.one_of(times.filter(bool), st.just(math.inf)))
    after, until = data.draw(times), data.draw(ends)
    assert line.earliest(amount, duration, max(after, now)) == model.earliest(amount, duration, max(after, now))
    assert line.at(after) == model.at(after)
    if after >= now:
        assert line.room(amount, after) == model.room(amount, after)
        if until > after:
            assert line.least(after, until) == min(model.within(after, until))
            assert line.most(after, until) == max(model.within(after, until))
        before = [time for time in model.changes() if time < after]
        assert line.free_before(after) == model.at(before[-1] if before else now)


@settings(deadline=None)
@given(
    st.lists(takes, max_size=12), st.integers(1, TOTAL), st.integers(1, 30), times.filter(bool), st.tuples(ends, times)
)
def test_to_where_a_promise_could_move(entries, amount, start, duration, bounds):
    """`earlier` with the promise at its place says what `earliest` says with it lifted, where that is before its start."""
    until, since = bounds
    line, model = made(entries)
    if not model.fits(amount, duration, start):
        return
    lifted = model.earliest(amount, duration, 0)
    line.take(start, start + duration, amount)
    expected = lifted if lifted < start else None
    assert line.earlier(amount, duration, start)[0] == expected
    bounded, longest = line.earlier(amount, duration, start, until)
    assert bounded == (expected if expected is not None and expected < until else None)
    assert longest < duration
    if bounded is None and longest:
        assert line.earlier(amount, longest, start, until)[0] is not None, "there is a stretch that long"
    known, longest = line.earlier(amount, duration, min(start, since), until)
    if known is None:
        assert line.earlier(amount, duration, start, until, (min(start, since), longest))[0] == bounded
    line.check()


class TestEdges:
    def test_nothing_is_taken_of_nothing_or_for_no_time(self):
        line, _ = made([])
        line.take(5, 9, 0)
        line.take(5, 5, 3)
        line.take(9, 5, 3)
        assert list(line.steps()) == [(0, TOTAL)]

    def test_for_ever(self):
        line, _ = made([(5, math.inf, 3)])
        assert list(line.steps()) == [(0, 10), (5, 7)]
        assert line.earliest(8, math.inf, 0) is None
        assert line.earliest(7, math.inf, 0) == 0
        assert line.earliest(8, 5, 0) == 0
        assert line.earliest(8, 5.5, 0) is None
        line.take(5, math.inf, -3)
        assert list(line.steps()) == [(0, 10)]

    def test_from_before_the_beginning(self):
        line = Timeline(TOTAL, 20)
        line.take(5, 30, 4)
        assert list(line.steps()) == [(20, 6), (30, 10)]
        assert line.least(0, 10) == 6
        assert line.at(3) == 6

    def test_more_than_there_is(self):
        line, _ = made([(0, 10, 12)])
        assert line.free_now == -2
        assert line.earliest(1, 1, 0) == 10

    def test_whole_numbers_and_fractions_are_one_time(self):
        line, _ = made([(1, 2.0, 3), (2, 3, 3)])
        assert list(line.steps()) == [(0, 10), (1, 7), (3, 10)]

    def test_neighbours_that_become_equal_are_one(self):
        line, _ = made([(1, 3, 2), (3, 5, 4), (3, 5, -2)])
        assert list(line.steps()) == [(0, 10), (1, 8), (5, 10)]

    def test_forgetting_all_of_it(self):
        line, _ = made([(n, n + 1, n) for n in range(1, 8)])
        line.advance(100)
        assert list(line.steps()) == [(100, 10)]
        line.advance(50)
        assert line.now == 100

    def test_a_stretch_that_only_just_fits(self):
        line, _ = made([(0, 4, 5), (9, 12, 5)])
        assert line.earliest(6, 5, 0) == 4
        assert line.earliest(6, 5.5, 0) == 12
        assert line.earliest(6, 5, 5) == 12
        assert line.room(6, 4) == 5
        assert line.room(6, 3) == -1
        assert line.room(5, 0) == math.inf
