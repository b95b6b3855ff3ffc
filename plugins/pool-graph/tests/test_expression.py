"""Search expressions: strictly left to right, and nothing that is not a term."""

import pytest
from fluxplug_pool_graph.expression import MAX_DEPTH, Term, parse_expression, wants_counts
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import ParseError

UP, DOWN, FREE = Term("status", "up"), Term("status", "down"), Term("sched-now", "free")


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("status=up", (UP,)),
        (" status=UP\t", (UP,)),
        ("status=up status=down", (UP, DOWN, "and")),
        ("status=up or status=down and sched-now=free", (UP, DOWN, "or", FREE, "and")),
        ("status=up or (status=down sched-now=free)", (UP, DOWN, FREE, "and", "or")),
        ("(status=up)(status=down)", (UP, DOWN, "and")),
        ("jobid-alloc=ƒ1 and jobid-tag=0x10", (Term("jobid-alloc", "ƒ1", 0), Term("jobid-tag", "0x10", 16), "and")),
        ("names=N[1-2]", (Term("names", "n[1-2]", names=frozenset({"n1", "n2"})),)),
        ("agfilter=T", (Term("agfilter", "true"),)),
        ("property=Big", (Term("property", "big"),)),
    ],
)
def test_programs(text, program):
    assert parse_expression(text) == program


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "status=",
        "=up",
        "status",
        "Status=up",
        "status=maybe",
        "sched-now=reserved",
        "status=up and",
        "status=up and and status=up",
        "and status=up",
        "or",
        "(status=up",
        "status=up)",
        "status=up not sched-now=free",
        "jobid-alloc=x",
        "names=socket[af[]",
        "agfilter=maybe",
        "(" * (MAX_DEPTH + 1) + "status=up" + ")" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_no_expression(text):
    with pytest.raises(ParseError):
        parse_expression(text)


def test_who_wants_counts():
    assert wants_counts(parse_expression("status=up agfilter=t"))
    assert not wants_counts(parse_expression("agfilter=f"))


@given(st.lists(st.sampled_from(["(", ")", "and", "or", "status=up", "x", "agfilter=t", " "]), max_size=12))
def test_a_program_always_leaves_one_value(words):
    try:
        program = parse_expression(" ".join(words))
    except ParseError:
        return
    height = 0
    for step in program:
        height += -1 if step in ("and", "or") else 1
        assert height >= 1
    assert height == 1


def test_long_chains_are_no_problem():
    assert len(parse_expression(" or ".join(["status=up"] * 5000))) == 9999
