from __future__ import annotations

import itertools
import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import ParseError
from fluxplug.jobspec.query import (
    MAX_DEPTH,
    MAX_TEXT,
    ConstraintParser,
    ConstraintSyntaxError,
    RequiresParser,
    parse_requires,
)


class Named(ConstraintParser):
    operator_map: ClassVar = {None: "name"}


def test_recorded_queries(vectors):
    for row in vectors("constraint_syntax")["default_operator_name"]:
        if "error" in row:
            with pytest.raises(ConstraintSyntaxError):
                Named().parse(row["query"])
        else:
            assert Named().parse(row["query"]) == row["json"], row["query"]


@pytest.mark.parametrize("part", ["cli_requires", "cli_requires_multiple"])
def test_recorded_requires(vectors, part):
    for row in vectors("constraint_syntax")[part]:
        assert parse_requires(row["requires"]) == row["constraints"], row["requires"]


# The rules of juxtaposition in the prose of the format that no recorded row shows. Terms are one letter; the answer is spelled in full.
BESIDE = [
    ("a & b c", "((a & b) & c)"),
    ("a b & c", "((a & b) & c)"),
    ("a|b not c d", "((a | (b & !c)) & d)"),
    ("a|b -c&d", "(a | ((b & !c) & d))"),
    ("a & b -c", "(a & (b & !c))"),
    ("not a not b", "!(a & !b)"),
    ("not a -b c", "(!(a & !b) & c)"),
    ("a not b | c", "((a & !b) | c)"),
    ("(a b|c) d", "(((a & b) | c) & d)"),
    ("(a|b)(c|d)", "((a | b) & (c | d))"),
    ("not not a", "!!a"),
    ("not (a|b) c", "(!(a | b) & c)"),
    ("- a", "!a"),
]


def spelled(tree):
    """The tree as written in BESIDE: an n-ary and/or is folded to the left, so that flattening does not show."""
    ((operator, values),) = tree.items()
    if operator == "name":
        return values[0]
    parts = [spelled(value) for value in values]
    if operator == "not":
        return "!" + parts[0]
    text = parts[0]
    for part in parts[1:]:
        text = f"({text} {'&' if operator == 'and' else '|'} {part})"
    return text


@pytest.mark.parametrize(("query", "meaning"), BESIDE)
def test_side_by_side(query, meaning):
    assert spelled(Named().parse(query)) == meaning


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a && && b", 5),
        ("a b)", 3),
        ("x (a", 2),
        ("()", 1),
        ("--a", 1),
        ("-not a", 1),
        ("a -", 3),
        ("not", 3),
        ("a x: b", 2),
        ("x:(a)", 0),
        ("x:''", 0),
        ("''", 0),
        (":a", 0),
        ("a'b'", 1),
        ("x:y'b'", 3),
        ("'a'b", 3),
        ("a x:'b", 4),
        ("and:x", 0),
        ("not:'x'", 0),
        ("é*:x", 0),
    ],
)
def test_errors_know_their_position(text, position):
    with pytest.raises(ConstraintSyntaxError) as caught:
        Named().parse(text)
    assert caught.value.position == position
    assert caught.value.text == text
    assert isinstance(caught.value, ValueError)


def test_a_bare_term_needs_a_default_operator():
    assert ConstraintParser().parse("x:a|y:b") == {"or": [{"x": ["a"]}, {"y": ["b"]}]}
    with pytest.raises(ConstraintSyntaxError, match="Missing operator"):
        ConstraintParser().parse("a")


def test_hooks():
    class Jobs(ConstraintParser):
        operator_map: ClassVar = {None: "name", "state": "states"}
        split_values: ClassVar = {"states": "+"}
        combined_terms: ClassVar = {"states"}

    assert Jobs().parse("state:run+pending state:inactive") == {"states": ["run", "pending", "inactive"]}
    assert Jobs().parse("'state:run' a") == {"and": [{"states": ["run"]}, {"name": ["a"]}]}
    with pytest.raises(ConstraintSyntaxError, match="Empty value"):
        Jobs().parse("state:run++x")


def test_parsing_leaves_no_state_behind():
    parser = RequiresParser()
    first = parser.parse("a b")
    assert parser.parse("a b") == first == {"properties": ["a", "b"]}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 10_000 + "a" + ")" * 10_000,
        "not " * 10_000 + "a",
        "a" + " -b" * 10_000,
        "a|(" * 10_000 + "b" + ")" * 10_000,
        "-" * 10_000,
        "a" * (MAX_TEXT + 1),
    ],
)
def test_what_is_too_deep_or_too_long_is_refused(text):
    with pytest.raises(ParseError):
        Named().parse(text)


def test_the_deepest_result_is_a_document():
    tree = Named().parse("a|(" * (MAX_DEPTH - 1) + "b" + ")" * (MAX_DEPTH - 1))
    assert json.loads(json.dumps(tree)) == tree
    assert len(Named().parse(" ".join(["a"] * 10_000))["and"]) == 10_000


words = st.sampled_from(
    ["a", "b", "x:y", "x:", "and", "or", "not", "-", "(", ")", "&", "||", " ", "'", '"', "^", ",", "o*p:y", "é"]
)


@given(st.text(max_size=30) | st.lists(words, max_size=15).map(" ".join) | st.lists(words, max_size=15).map("".join))
def test_any_text_gives_a_tree_or_a_parse_error(text):
    for parser in (Named(), RequiresParser(), ConstraintParser()):
        try:
            tree = parser.parse(text)
        except ParseError as error:
            position = error.position
        else:
            assert len(tree) == 1
            position = 0
        assert 0 <= position <= len(text)


trees = st.recursive(
    st.sampled_from("abcd"),
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=12,
)
LEVEL = {"or": 1, "and": 2, "not": 3}


def written(tree, level=0):
    if isinstance(tree, str):
        return tree
    own = LEVEL[tree[0]]
    text = (
        f"not {written(tree[1], own)}" if tree[0] == "not" else f" {tree[0]} ".join(written(t, own) for t in tree[1:])
    )
    return text if own >= level else f"({text})"


def truth(tree, world):
    """The value of a generated tuple tree or of a parsed dict tree where the letters of `world` are true."""
    if isinstance(tree, str):
        return tree in world
    operator, values = (tree[0], tree[1:]) if isinstance(tree, tuple) else next(iter(tree.items()))
    if operator == "name":
        return values[0] in world
    parts = [truth(value, world) for value in values]
    return any(parts) if operator == "or" else all(parts) != (operator == "not")


@given(trees)
def test_explicit_operators_bind_as_documented(tree):
    parsed = Named().parse(written(tree))
    for size in range(5):
        for world in itertools.combinations("abcd", size):
            assert truth(parsed, world) == truth(tree, world)
