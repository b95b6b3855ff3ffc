from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.report.markup import clean, el, esc, num

ANY_TEXT = st.text(st.characters())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-0.001, "0"),
        (1.5, "1.5"),
        (1.005, "1"),
        (100.0, "100"),
        (-12.346, "-12.35"),
        (1e9, "1000000000"),
    ],
)
def test_coordinates_are_short(value, text):
    assert num(value) == text


@given(text=ANY_TEXT)
def test_any_text_survives_as_content_and_attribute_or_is_replaced(parse, text):
    element = parse(el("text", esc(text), label=text))
    shown = clean(text)
    unified = shown.replace("\r\n", "\n").replace("\r", "\n")  # as every XML reader does
    assert (element.text or "") == unified
    assert element.get("label") == shown.replace("\r\n", " ").translate(dict.fromkeys(b"\t\n\r", " "))
    shown.encode()


def test_what_no_document_holds_is_replaced():
    assert clean("a\x00b\ud800c\u202ed") == "a\ufffdb\ufffdc\ufffdd"


def test_long_text_is_shortened():
    assert clean("abcdef", 4) == "abc…"
    assert clean("abcd", 4) == "abcd"


def test_attribute_names():
    assert el("a", class_="x", stroke_width=1.50, viewBox="0 0") == '<a class="x" stroke-width="1.5" viewBox="0 0"/>'
    assert el("a", "b", "c") == "<a>bc</a>"
