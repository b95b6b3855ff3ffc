"""One field: recorded renderings, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import FormatError
from fluxplug.listing.formatter import UtilFormatter, parse_field
from fluxplug.values.jobid import JobID

pytestmark = pytest.mark.usefixtures("utc")


def shown(text, value):
    return UtilFormatter().format(text, value)


def test_vectors(vectors):
    rows = vectors("jobs_format")["field_formatting_TZ_UTC"]
    assert len(rows) == 47
    assert [shown(row["format"], row["value"]) for row in rows] == [row["out"] for row in rows]


@pytest.mark.parametrize(
    ("text", "value", "out"),
    [
        ("{0!P}", 0.12345, "12.3%"),
        ("{0!P}", 0.99996, "100%"),
        ("{0!P}", 0.0012, "0.12%"),
        ("{0!P}", 250, "25000%"),
        ("{0!H}", float("inf"), "inf"),
        ("{0!F}", float("inf"), "inf"),
        ("{0!d}", 1579133377, "2020-01-16T00:09:37"),
        ("{0!d:%S.%f}", 1579133377.25, "37.250000"),
        ("{0!F}", None, ""),
        ("{0:>4}", None, "    "),
        ("{0:>6}", 12, "    12"),
        ("{0:<6}|", 12, "12    |"),
        ("{0:.1f}", 1.26, "1.3"),
        ("{0:>6.1f}", "", "      "),
        ("{0:>6.1fh}", 0.0, "     -"),
        ("{0:.3}", 2.71828, "2.72"),
        ("{0:.3}", 271828, "271"),
        ("{0:>6}", True, "  True"),
        ("{0:d}", JobID(7), "7"),
        ("{0:>5d}", float("inf"), "  inf"),
        ("{0:>5}", JobID(57), "   fz"),
        ("{0:04d}", 7, "0007"),
        ("{0:x}", 255, "ff"),
        ("{0:*^7}", "ab", "**ab***"),
        ("{0!r}", "a", "'a'"),
        ("{0!s:>3}", 5, "  5"),
    ],
)
def test_more(text, value, out, monkeypatch):
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    assert shown(text, value) == out


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{0:+h}", 1),
        ("{0:>5q}", 1),
        ("{0:>5.5 }", "x"),
        ("{0!Z}", 1),
        ("{0!F}", "soon"),
        ("{0!D}", 1e300),
        ("{0:999999999999}", 1),
        ("{0:,x}", 1),
    ],
)
def test_refused(text, value):
    with pytest.raises(ValueError, match=r"."):
        shown(text, value)


def test_a_conversion_leaves_no_number():
    with pytest.raises(FormatError, match="unfit type 'd'"):
        parse_field("F", "d")


def test_a_specification_is_written_as_it_is_read():
    for conversion, spec in [
        ("", ">8.8h+"),
        ("d", "%H:%M::>8h"),
        ("d", "%H"),
        ("d", "::>8"),
        ("F", ">8"),
        ("", "*^+08.3f"),
    ]:
        assert parse_field(conversion, spec).spec == spec


@given(
    st.sampled_from(["", "D", "d", "F", "H", "P", "q"]), st.text("<>^*+-h.0158,dsxf%:", max_size=8), st.floats(0, 1e9)
)
def test_a_specification_is_refused_at_once_or_works(conversion, spec, value):
    try:
        field = parse_field(conversion, spec)
    except FormatError:
        return
    assert isinstance(field.cell()(value), str)
    assert isinstance(field.cell()(""), str)
    assert isinstance(field.heading("TITLE"), str)
