from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.report.scale import (
    LOG,
    LOG1P,
    SAME,
    Scale,
    apart,
    factor,
    log_ticks,
    log_time_ticks,
    nice,
    number,
    percent,
    span,
    time_step,
    time_ticks,
    whole_ticks,
)

DAY = 86400.0


@pytest.mark.parametrize(
    ("lo", "hi", "first", "last"),
    [
        (0, 0.5, "0 s", "0.5 s"),
        (0, 90, "0 s", "90 s"),
        (0, 3600, "0 min", "60 min"),
        (0, DAY, "0 h", "24 h"),
        (0, 4 * DAY, "0 d", "4 d"),
        (3.1 * DAY, 3.6 * DAY, "3 d 4:00", "14:00"),
        (3.1 * DAY, 3.1 * DAY + 200, "3 d 2:24:00", "2:27:00"),
        (0, 720 * DAY, "0 d", "700 d"),
        (0, 90_000 * DAY, "0 d", "90,000 d"),
    ],
)
def test_time_ticks_say_days_or_clock_times(lo, hi, first, last):
    ticks = time_ticks(lo, hi)
    assert (ticks[0][1], ticks[-1][1]) == (first, last)


@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_ticks_lie_inside_and_are_few(lo, length):
    hi = lo + length
    if hi <= lo:
        return
    for ticks in (time_ticks(lo, hi), whole_ticks(lo, hi)):
        slack = (hi - lo) * 1e-6
        assert all(lo - slack <= v <= hi + slack for v, _ in ticks)
        assert len(ticks) <= 12
        assert [v for v, _ in ticks] == sorted({v for v, _ in ticks})


@given(st.floats(1e-6, 1e12))
def test_steps_are_the_next_round_number(least):
    assert least * (1 - 1e-6) <= nice(least) <= least * 2.6
    assert least * (1 - 1e-6) <= time_step(least) <= max(least * 4, 1)


def test_whole_ticks_have_no_fractions():
    assert whole_ticks(0, 2) == [(0, "0"), (1, "1"), (2, "2")]


def test_logarithmic_ticks():
    assert [text for _, text in log_ticks(1, 20)] == ["1", "2", "5", "10", "20"]
    assert [text for _, text in log_ticks(0, 5000)] == ["0", "1", "10", "100", "1,000"]
    assert [text for _, text in log_time_ticks(2 * DAY)] == ["0", "1 s", "10 s", "1 min", "10 min", "1 h", "6 h", "1 d"]


@pytest.mark.parametrize(("bend", "lo"), [(SAME, 0.0), (LOG, 1.0), (LOG1P, 0.0)])
@given(share=st.floats(0, 1))
def test_scales_go_there_and_back(bend, lo, share):
    scale = Scale(lo, 5000, 0, 300, bend)
    assert scale(lo) == 0
    assert scale(5000) == pytest.approx(300)
    assert scale(lo - 1) == 0
    assert scale(6000) == pytest.approx(300)
    value = lo + share * (5000 - lo)
    assert scale.back(scale(value)) == pytest.approx(value, abs=1e-6)


def test_ticks_too_close_are_left_out():
    scale = Scale(0, 10, 0, 100)
    assert apart([(0, "a"), (1, "b"), (4, "c")], scale, 30) == [(0, "a"), (4, "c")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (59.4, "59.4 s"),
        (59.7, "1 min"),
        (90, "1 min 30 s"),
        (3599.9, "1 h"),
        (6896.9, "1 h 55 min"),
        (86399, "1 d"),
        (354157, "4 d 2 h"),
        (720.5 * DAY, "720 d 12 h"),
        (12345 * DAY, "12,345 d"),
        (-60, "-1 min"),
        (math.nan, "\N{EN DASH}"),
        (math.inf, "∞"),
    ],
)
def test_spans_have_two_units(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (6829.04, "6,829"),
        (92.99, "93.0"),
        (1.234, "1.23"),
        (122060, "122,060"),
        (1e18, "1e+18"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_ratios_and_shares():
    assert (factor(1.0), factor(88.57), percent(0.5554), percent(math.nan)) == ("1.00", "88.6", "55.5 %", "\N{EN DASH}")
