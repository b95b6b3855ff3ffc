from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.constraint import (
    MAX_TERMS,
    And,
    Hosts,
    Not,
    Or,
    Properties,
    Ranks,
    evaluate,
    parse_constraint,
)
from fluxplug.jobspec.query import MAX_DEPTH, parse_requires
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

# The rows of resource_set.json that record Flux's Python classes where they leave the RFC, with what is right.
DEVIATIONS = {
    '{"or": []}': ("RFC 31: an empty or matches everything", "0-3"),
    '{"not": []}': ("RFC 31: an empty not matches nothing", ""),
    "{}": ("RFC 31: no constraint matches everything", "0-3"),
    '{"properties": ["a"], "ranks": ["1"]}': ("two operators: Flux looks at one of them; an error", None),
}


def ranks_of(R, constraint):  # noqa: N803 - the format's name
    execution = R["execution"]
    ids = IDset("")
    for entry in execution["R_lite"]:
        ids |= IDset(entry["rank"])
    rank_of = dict(zip(Hostlist(execution["nodelist"]), ids, strict=True))
    properties = {name: IDset(text).mask() for name, text in execution.get("properties", {}).items()}
    mask = evaluate(
        parse_constraint(constraint),
        ids.mask(),
        lambda name: properties.get(name, 0),
        lambda hosts: sum(1 << rank_of[host] for host in set(hosts) if host in rank_of),
        lambda ranks: ranks.mask(),
    )
    return IDset.from_mask(mask).encode()


def test_recorded_evaluations(vectors):
    recorded = vectors("resource_set")
    sets = {entry["name"]: entry["R"] for entry in recorded["sets"]}
    seen = set()
    for row in recorded["constraint_eval"]:
        key = json.dumps(row["constraint"])
        if key in DEVIATIONS:
            seen.add(key)
            expected = DEVIATIONS[key][1]
            assert expected != row.get("ranks"), "no deviation any more"
        else:
            expected = row.get("ranks")
        if expected is None:
            with pytest.raises(DocumentError):
                parse_constraint(row["constraint"])
        else:
            assert ranks_of(sets[row["R"]], row["constraint"]) == expected, key
    assert seen == set(DEVIATIONS)


@pytest.mark.parametrize(
    ("obj", "error", "path"),
    [
        ([], DocumentTypeError, "constraints"),
        ("a", DocumentTypeError, "constraints"),
        ({"foo": ["x"]}, DocumentTypeError, "constraints"),
        ({3: ["x"]}, DocumentTypeError, "constraints"),
        ({"properties": ["a"], "ranks": ["0"]}, DocumentError, "constraints"),
        ({"properties": "a"}, DocumentTypeError, "constraints.properties"),
        ({"properties": ["a", 1]}, DocumentTypeError, "constraints.properties[1]"),
        ({"properties": ["a|b"]}, DocumentTypeError, "constraints.properties[0]"),
        ({"properties": ["^^a"]}, DocumentTypeError, "constraints.properties[0]"),
        ({"properties": ["^"]}, DocumentError, "constraints.properties[0]"),
        ({"ranks": ["0", "3,1"]}, DocumentError, "constraints.ranks[1]"),
        ({"hostlist": ["n[0-"]}, DocumentError, "constraints.hostlist[0]"),
        ({"and": [{"not": [{"or": ["x"]}]}]}, DocumentTypeError, "constraints.and[0].not[0].or[0]"),
        ({"and": {"properties": ["a"]}}, DocumentTypeError, "constraints.and"),
        ({"ranks": ["0"] * (MAX_TERMS + 1)}, DocumentError, "constraints.ranks"),
        ({"or": [{"hostlist": ["n[1-600000]"]}] * 2}, DocumentError, "constraints.or[1].hostlist[0]"),
    ],
)
def test_errors_know_their_path(obj, error, path):
    with pytest.raises(error) as caught:
        parse_constraint(obj)
    assert type(caught.value) is error
    assert caught.value.path == path


def test_no_constraint():
    assert parse_constraint(None) is None
    assert parse_constraint({}) is None
    assert parse_constraint({"not": [{}]}) == Not((And(()),))


def test_depth_is_bounded():
    def nested(levels):
        obj = {"properties": ["a"]}
        for _ in range(levels - 1):
            obj = {"not": [obj]}
        return obj

    assert evaluate(parse_constraint(nested(MAX_DEPTH)), 3, lambda _: 1, None, None) == 2
    with pytest.raises(DocumentError, match="deeper"):
        parse_constraint(nested(MAX_DEPTH + 1))
    with pytest.raises(DocumentError, match="deeper"):
        parse_constraint(nested(200_000))


def test_many_ranks_are_one_set():
    constraint = parse_constraint({"ranks": [str(i) for i in range(0, 100_000, 2)]})
    seen = []
    evaluate(constraint, 1, None, None, lambda ranks: seen.append(ranks) or 0)
    assert [len(ranks) for ranks in seen] == [50_000]


def test_masks_stay_inside_the_universe():
    assert evaluate(Ranks(("9",)), 0b11, None, None, lambda ranks: ranks.mask()) == 0
    assert evaluate(Not((Properties(("a",)),)), 0b11, lambda _: 0b101, None, None) == 0b10


names = st.sampled_from(["a", "b", "^a", "^c"])
constraints = st.recursive(
    st.lists(names, max_size=3).map(lambda v: Properties(tuple(v)))
    | st.lists(st.sampled_from(["n0", "n[1-2]", "other,n3"]), max_size=2).map(lambda v: Hosts(tuple(v)))
    | st.lists(st.sampled_from(["0", "1-2", "7", ""]), max_size=2).map(lambda v: Ranks(tuple(v))),
    lambda inner: st.tuples(st.sampled_from([And, Or, Not]), st.lists(inner, max_size=3).map(tuple)).map(
        lambda t: t[0](t[1])
    ),
    max_leaves=8,
)


@given(constraints)
def test_a_constraint_is_a_key_with_a_json_form(constraint):
    again = parse_constraint(json.loads(json.dumps(constraint.to_dict())))
    assert again == constraint
    assert hash(again) == hash(constraint)
    assert {again: 1}[constraint] == 1


HAS = {"a": {0, 1}, "b": {1, 3}, "c": set()}


def matches(obj, i):
    """RFC 31, one target at a time, on the JSON."""
    ((operator, values),) = obj.items()
    if operator == "properties":
        return all((i in HAS[v.lstrip("^")]) != v.startswith("^") for v in values)
    if operator == "hostlist":
        return any(f"n{i}" in Hostlist(v) for v in values)
    if operator == "ranks":
        return any(i in IDset(v) for v in values)
    parts = [matches(v, i) for v in values]
    if operator == "or":
        return any(parts) or not parts
    return all(parts) != (operator == "not")


@given(constraints)
def test_evaluation_equals_the_definition(constraint):
    mask = evaluate(
        constraint,
        0b1111,
        lambda name: sum(1 << i for i in HAS[name]),
        lambda hosts: sum(1 << i for i in range(4) if f"n{i}" in hosts),
        lambda ranks: ranks.mask(),
    )
    assert mask == sum(1 << i for i in range(4) if matches(constraint.to_dict(), i))


def test_what_users_type_is_a_constraint():
    assert parse_constraint(parse_requires("a -b host:n[1-2]|rank:3")) == Or(
        (
            And((Properties(("a",)), Not((Properties(("b",)),)), Hosts(("n[1-2]",)))),
            Ranks(("3",)),
        )
    )
