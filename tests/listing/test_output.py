"""Tables: recorded ones, prefixes, sorting, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fluxplug.errors import FormatError
from fluxplug.listing.formatter import UtilFormatter
from fluxplug.listing.output import OutputFormat

HEADINGS = {"a": "AAA", "b": "BBB", "c": "CCC", "d.e": "DE"}


def items(*rows):
    return [SimpleNamespace(**{"a": "", "b": "", "c": "", **row}) for row in rows]


def lines(fmt, *rows, **kwargs):
    return OutputFormat(fmt, HEADINGS).lines(items(*rows), **kwargs)


def test_vectors(vectors, capsys):
    tables = vectors("jobs_format")["tables"]
    assert len(tables) == 10
    for table in tables:
        try:
            OutputFormat(table["format"], table["headings"]).print_items(
                [SimpleNamespace(**item) for item in table["items"]], **table["kwargs"]
            )
        except ValueError as error:
            printed = [f"ValueError: {error}"]
        else:
            printed = capsys.readouterr().out.split("\n")[:-1]
        assert printed == table["out"], table["format"]


def test_what_is_dropped_takes_its_blanks_along():
    assert lines("?:{a:<4} ?:{b:<4} {c}", {"c": "x"}) == ["CCC", "x"]
    assert lines("  {a} ?:{b} {c}", {"a": 1, "c": 0}) == ["  AAA CCC", "  1 0"]
    assert lines("?:{a} ?:{b}", {"a": 0}, {"b": "0.0"}) == ["", "", ""]
    assert lines("?:{a} {b}") == ["BBB"]


def test_widened_columns_line_up():
    assert lines("+:{a:>2}|+:{b:<2.2}|", {"a": 12345, "b": "xyz"}, {}) == ["  AAA|BBB|", "12345|xyz|", "     |   |"]


def test_numbers_and_nested_values():
    rows = [SimpleNamespace(d=SimpleNamespace(e=1.25)), SimpleNamespace(d=SimpleNamespace(e=""))]
    assert OutputFormat("{d.e:6.1f}", HEADINGS).lines(rows) == ["    DE", "   1.2", "      "]


def test_sorting_is_by_kind_then_value_and_stable():
    rows = items({"a": "b"}, {"a": 2}, {"a": ""}, {"a": 10, "b": 1}, {"a": 10, "b": 2}, {"a": "a"})
    output = OutputFormat("sort:a {a}{b}", HEADINGS)
    assert output.lines(rows, no_header=True) == ["", "2", "101", "102", "a", "b"]
    output.set_sort_keys("-a,-b")
    assert output.lines(rows, no_header=True) == ["b", "a", "102", "101", "2", ""]
    with pytest.raises(FormatError, match=r"Invalid sort key: x"):
        output.set_sort_keys("a,x")
    output.sort_items(rows)
    assert [row.a for row in rows] == ["b", "a", 10, 10, 2, ""]
    assert rows[2].b == 2


def test_header_format_filter_and_fields():
    output = OutputFormat("{{x}} ?:{a:>5} +:{b:<2.2} {c!F:>6h}", HEADINGS)
    (row,) = items({"b": "wide", "c": 0})
    assert output.fields == ["a", "b", "c"]
    assert output.header() == "{x}   AAA BB    CCC"
    assert output.header(7) == "{x}   +"
    assert output.format(row) == "{x}       wi      -"
    assert output.filter([row]) == "{b:<4.4} {c!F:>6h}"
    assert UtilFormatter().format(output.get_format(), row) == output.format(row)


@pytest.mark.parametrize(
    ("fmt", "error"),
    [
        ("", "no field"),
        ("bogus", "no field"),
        ("{a", "Invalid format"),
        ("{}", "Unknown format field: $"),
        ("{a.b}", r"Unknown format field: a\.b"),
        ("{a:{b}}", "Invalid format specifier"),
        ("{a:+h}", "Invalid format specifier"),
        ("sort: {a}", "Invalid sort key: $"),
        ("sort:", "Invalid sort key"),
        ("{a}" * 9000, "longer than"),
    ],
)
def test_refused(fmt, error):
    with pytest.raises(FormatError, match=error):
        OutputFormat(fmt, HEADINGS)


def test_nothing_is_printed_before_an_error(capsys):
    with pytest.raises(FormatError, match="Invalid value 'x' for conversion !F"):
        OutputFormat("{a!F}", HEADINGS).print_items(items({"a": 1}, {"a": "x"}))
    assert not capsys.readouterr().out
