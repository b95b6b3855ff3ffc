"""Times as users write them, and as tables show them."""

from __future__ import annotations

import pytest

from fluxplug.clock import format_local, parse_datetime, same_day
from fluxplug.errors import ParseError

NOON = 1579176000.0  # 2020-01-16 12:00 UTC


pytestmark = pytest.mark.usefixtures("utc")


@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("now", 0),
        (" now ", 0),
        ("+10", 10),
        ("+1.5h", 5400),
        ("-500ms", -0.5),
        ("-.5d", -43200),
        ("2020-01-16 12:01", 60),
        ("2020-01-15", -129600),
        ("13:00", 3600),
        ("11:00", 82800),
    ],
)
def test_datetimes(text, distance):
    assert parse_datetime(text, NOON) == NOON + distance


def test_a_time_of_day_in_the_past():
    assert parse_datetime("13:00", NOON, past=True) == NOON - 82800
    assert parse_datetime("11:00", NOON, past=True) == NOON - 3600
    assert parse_datetime("2020-01-17", NOON, past=True) == NOON + 43200


@pytest.mark.parametrize("text", ["", "+", "-", "+inf", "++1", "-x", "tomorrow", "2020-13-01", "25:00", "+1y"])
def test_no_datetime(text):
    with pytest.raises(ParseError):
        parse_datetime(text, NOON)


def test_local_text():
    assert format_local(NOON + 0.5, "%Y-%m-%d %H:%M:%S.%f") == "2020-01-16 12:00:00.500000"
    assert format_local(NOON + 0.9999998, "%f") == "999999"
    for wrong in (float("inf"), float("nan"), 1e300):
        with pytest.raises(ValueError, match="no date"):
            format_local(wrong, "%Y")
    assert same_day(NOON, NOON + 43199)
    assert not same_day(NOON, NOON + 43200)
