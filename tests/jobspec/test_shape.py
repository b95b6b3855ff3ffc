"""Shapes: recorded vectors, the rules of RFC 46, and texts of every kind."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import ParseError
from fluxplug.jobspec.shape import MAX_DEPTH, MAX_TEXT, ShapeParser, ShapeSyntaxError

# formats.md section 30 row 10: RFC 46 labels a lone slot "default" and shows ranges as mappings, Flux labels it "task"
# and keeps the strings. We do as Flux by default, and both are attributes: no row deviates.


def with_mappings():
    parser = ShapeParser()
    parser.range_as_dict = True
    return parser


def parse(text):
    return ShapeParser().parse(text)


def infinite(value):
    """The recorded form of an unbounded maximum is the string `inf`."""
    if isinstance(value, list):
        return [infinite(item) for item in value]
    if isinstance(value, dict):
        return {key: math.inf if (key, item) == ("max", "inf") else infinite(item) for key, item in value.items()}
    return value


def test_vectors(vectors):
    recorded = vectors("shape")
    assert ShapeParser.default_slot_label == recorded["default_label"]
    for row in recorded["rows"]:
        if "error" in row:
            with pytest.raises(ShapeSyntaxError):
                parse(row["shape"])
            continue
        assert parse(row["shape"]) == row["resources"]
        expected = row.get("resources_rangedict", row["resources"])
        assert with_mappings().parse(row["shape"]) == infinite(expected)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("slot/", 5),
        ("slot=2", 6),
        ("slot=2{blah", 6),
        ("slot=2{bla}}", 11),
        ("node/[slot=10/core]]]", 19),
        ("[node", 0),
        ("[node,core]", 5),
        ("[]", 1),
        ("[slot=2/node;slot=3/node]", 1),
        ("[slot{a}/node;slot/node]", 14),
        ("[slot{a}/node;slot{a}/node]", 19),
        ('slot/"blah', 5),
        ("slot/node=;", 10),
        ("slot/node=a", 10),
        ("node=0", 5),
        ("node=[1-2", 5),
        ("node=5-2", 8),
        ("node=1,,2", 5),
        ("a b=2", 2),
        ("''=2", 0),
        ("node{a:1,a:2}", 9),
        ("node{x,exclusive:true}", 7),
        ("node{count:3}", 5),
        ("node{with:3}", 5),
        ("slot{unit:GB}/core", 5),
        ("slot{''}/core", 5),
        ("node{+a:1}", 7),
        ("node{a:}", 7),
        ("node{a:[1,}", 10),
        ("node{a:[1", 7),
        ("node{a:1e999}", 7),
        ("node{a:" + "1" * 5000 + "}", 7),
        ('node{a:"\\q"}', 8),
        ('node{a:"\\ud800"}', 7),
        ("node{a,}", 7),
        ("x" * (MAX_TEXT + 1), MAX_TEXT),
    ],
)
def test_error_positions(text, position):
    with pytest.raises(ShapeSyntaxError) as caught:
        parse(text)
    assert caught.value.position == position


def test_nesting_is_bounded():
    deepest = "/".join(["a"] * MAX_DEPTH)
    assert parse(deepest)
    assert parse(deepest + "{b:" * (MAX_DEPTH - 1) + "1" + "}" * (MAX_DEPTH - 1))
    for text in (
        deepest + "/a",
        "/".join(["a"] * 100_000),
        "[" * 100_000,
        "a{b:" + "[" * 100_000,
        "a{b:" + "{b:" * 100_000,
        "a{b:" + "[{b:" * 100_000,
    ):
        with pytest.raises(ShapeSyntaxError):
            parse(text)


def test_blanks_between_parts():
    assert parse(" [ slot = 2 { a , x } / [ core ; gpu = [ 1-2 ] ] ] ".replace("[ 1-2 ]", "[1-2]")) == [
        {
            "type": "slot",
            "count": 2,
            "label": "a",
            "exclusive": True,
            "with": [{"type": "core", "count": 1}, {"type": "gpu", "count": "1-2"}],
        }
    ]


def test_values():
    text = """node{a:{b,-c,d:[1,{e:'x y'}],x:1},f:[],g:-0.5,h:007,i:"q\\u00e9\\n",j:'a\\',k:"",l:null,m:TRUE,'x':2}"""
    assert parse(text) == [
        {
            "type": "node",
            "count": 1,
            "a": {"b": True, "c": False, "d": [1, {"e": "x y"}], "x": 1},
            "f": [],
            "g": -0.5,
            "h": "007",
            "i": "q\u00e9\n",
            "j": "a\\",
            "k": "",
            "l": None,
            "m": "TRUE",
            "x": 2,
        }
    ]


def test_keys_keep_the_order_of_a_jobspec():
    assert list(parse("slot{a,unit:b}/core")[0]) == ["type", "count", "label", "unit", "with"]


def test_default_label():
    parser = ShapeParser()
    parser.default_slot_label = "default"
    assert parser.parse("slot{}/core")[0]["label"] == "default"


names = st.sampled_from(["node", "core", "gpu", "my type", "numa", "x"])
counts = st.integers(1, 99) | st.sampled_from(["2+", "2-9", "2-9:3", "2-8:2:*", "1,4", "3+:2"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("ab -:,{}[]'\\é\"", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)
vertices = st.recursive(
    st.fixed_dictionaries({"type": names, "count": counts}, optional={"unit": values, "id": values}),
    lambda inner: st.builds(
        lambda vertex, children: {**vertex, "with": children},
        st.fixed_dictionaries({"type": names, "count": counts}, optional={"exclusive": st.booleans()}),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


def write(resources):
    def vertex(value):
        keys = {key: item for key, item in value.items() if key not in ("type", "count", "with")}
        text = json.dumps(value["type"]) + f"={value['count']}"
        if keys:
            text += json.dumps(keys)
        return text + ("/" + write(value["with"]) if "with" in value else "")

    return "[" + ";".join(map(vertex, resources)) + "]"


@given(st.lists(vertices, min_size=1, max_size=3))
def test_write_then_parse(resources):
    assert parse(write(resources)) == resources


@given(st.text(alphabet="slotnodexcore=/[]{};,:+-*^'\"\\ 0123e.", max_size=30) | st.text(max_size=20))
def test_any_text_is_a_shape_or_an_error(text):
    for parser in (ShapeParser(), with_mappings()):
        try:
            resources = parser.parse(text)
        except ParseError as error:
            position = error.position
        else:
            position = 0
            assert all(vertex["type"] and vertex["count"] for vertex in resources)
        assert 0 <= position <= len(text)
