"""Durations: recorded vectors of two readers and two writers, and texts of every kind."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import ParseError
from fluxplug.values.duration import fsd, fsd_c, parse_fsd

# formats.md sections 3 and 30: the two readers of the original differ. We take what both take. Text -> why we reject it
# although the Python reader, the C library or both accept it.
WE_REJECT = {
    "Inf": "Python knows four spellings only",
    "5 ": "float() strips blanks, strtod does not",
    "5 s": "float() strips blanks, strtod does not",
    "1_0": "float() takes underscores, strtod does not",
    "0x10": "strtod reads hexadecimal, float() does not",
    "0x10s": "strtod reads hexadecimal, float() does not",
    "": "strtod returns 0 for no digits at all",
    "s": "strtod returns 0 for no digits at all",
    "m": "strtod returns 0 for no digits at all",
    "1e400": "an overflow is a slip, not a wish for an unlimited duration",
}


def test_parse_vectors(vectors):
    rows = vectors("fsd")["parse"]
    assert WE_REJECT.keys() <= {row["in"] for row in rows}
    for row in rows:
        text = row["in"]
        if row["python"] is None or row["c"] is None:
            assert (row["python"] is None and row["c"] is None) or text in WE_REJECT, text
            with pytest.raises(ParseError):
                parse_fsd(text)
        else:
            assert parse_fsd(text) == pytest.approx(float(row["python"]), rel=1e-15, abs=0)


def test_format_vectors(vectors):
    for row in vectors("fsd")["format"]:
        seconds = float(row["seconds"])
        assert fsd(seconds) == row["python_fsd"]
        assert fsd_c(seconds) == row["c_fsd_format_duration"]


@pytest.mark.parametrize(
    ("text", "position"),
    [("x", 0), ("5min", 1), ("  -1", 2), ("1e308d", 0), ("5\u0661", 1), ("\u00a05", 0), ("9" * 5000, 0), ("nan", 0)],
)
def test_error_positions(text, position):
    with pytest.raises(ParseError) as caught:
        parse_fsd(text)
    assert caught.value.position == position


def test_signed_zero_is_zero():
    assert math.copysign(1, parse_fsd("-0")) == 1


def test_what_is_no_duration():
    for write in (fsd, fsd_c):
        with pytest.raises(ValueError, match="no duration"):
            write(math.nan)
    with pytest.raises(ValueError, match="no duration"):
        fsd_c(-1)
    assert fsd(-1) == "0s"
    assert fsd(-math.inf) == "0s"


@given(st.floats(0, 1e12))
def test_format_then_parse(seconds):
    assert parse_fsd(fsd_c(seconds)) == pytest.approx(seconds, rel=1e-5)
    assert parse_fsd(fsd(seconds)) == pytest.approx(seconds, rel=1e-3, abs=1e-3)


@given(st.floats(0, 1e12), st.sampled_from(["", "s"]))
def test_numbers_survive(seconds, unit):
    assert parse_fsd(f"{seconds!r}{unit}") == seconds


@given(st.text(alphabet="0123456789.eE+-msdhinfxX_ ", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_duration_or_an_error(text):
    try:
        seconds = parse_fsd(text)
    except ParseError as error:
        position = error.position
    else:
        position = 0
        assert seconds >= 0
    assert 0 <= position <= len(text)
