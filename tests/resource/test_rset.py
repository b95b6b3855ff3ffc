from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, ParseError
from fluxplug.resource import ResourceSet, Rv1Set
from fluxplug.values.idset import IDset

# (constraint as JSON, recorded answer) of Flux's Rv1Set that RFC 31 contradicts -> what it says (formats.md 10 and 30.7).
DEVIATIONS = {
    '{"or": []}': ("0-3", "an empty or matches everything"),
    '{"not": []}': ("", "an empty not matches nothing; it is no error"),
    "{}": ("0-3", "no operator is no constraint"),
    '{"properties": ["a"], "ranks": ["1"]}': (
        DocumentError,
        "two operators in one object are refused, not half ignored",
    ),
}


@pytest.fixture
def sets(vectors):
    return {row["name"]: row for row in vectors("resource_set")["sets"]}


def r_of(entries, nodelist, **execution):
    lite = [{"rank": rank, "children": children} for rank, children in entries]
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": nodelist, **execution}}


SMALL = r_of([("0-3", {"core": "0-3", "gpu": "0"})], ["n[0-3]"], properties={"a": "0-1"})


def test_recorded_sets(sets):
    for row in sets.values():
        for make in (ResourceSet, Rv1Set, lambda r: ResourceSet(json.dumps(r) if r else r)):
            one = make(row["R"])
            assert one.dumps() == one.rlist == row["dumps"]
            assert json.loads(one.encode()) == one.to_dict() == row["encode"]
            assert [one.nnodes, one.ncores, one.ngpus] == [row["nnodes"], row["ncores"], row["ngpus"]]
            assert [one.count("core"), one.count("gpu"), one.count("rack")] == [row["ncores"], row["ngpus"], 0]
            assert str(one.ranks) == row["ranks"]
            assert str(one.nodelist) == row["nodelist"]
            assert one.properties == row["properties"]
            assert one.get_properties() == row["get_properties"]
            assert [one.expiration, one.starttime] == [row["expiration"], row["starttime"]]


def test_recorded_binary_operations(sets, vectors):
    for row in vectors("resource_set")["binary_ops"]:
        left, right = sets[row["a"]]["R"], sets[row["b"]]["R"]
        for op in ("union", "diff", "intersect"):
            for operand in (right, json.dumps(right), ResourceSet(right), Rv1Set(right)):
                assert getattr(ResourceSet(left), op)(operand).to_dict() == row[op], (row["a"], op, row["b"])
        for op in ("append", "add"):
            one = ResourceSet(left)
            getattr(one, op)(right)
            assert one.to_dict() == row[op], (row["a"], op, row["b"])
        a, b = ResourceSet(left), ResourceSet(right)
        assert [(a | b).to_dict(), (a - b).to_dict(), (a & b).to_dict()] == [
            row["union"],
            row["diff"],
            row["intersect"],
        ]
        assert a.to_dict() == sets[row["a"]]["encode"]


def test_recorded_other_operations(sets, vectors):
    for row in vectors("resource_set")["other_ops"]:
        one = ResourceSet(sets[row["R"]]["R"])
        args = row["arg"] if isinstance(row["arg"], list) else [row["arg"]]
        if "exc" in row:
            kind = {"ValueError": DocumentError, "FileNotFoundError": FileNotFoundError}[row["exc"].partition(":")[0]]
            with pytest.raises(kind) as caught:
                getattr(one, row["op"])(*args)
            assert row["exc"].partition(": ")[2] in str(caught.value)
            continue
        answer = getattr(one, row["op"])(*args)
        if row["op"] == "host_ranks":
            assert answer == row["ranks"]
            continue
        one = answer or one
        assert json.loads(one.get_properties()) == row["properties"]
        if "dumps" in row:
            assert one.dumps() == row["dumps"]


def test_recorded_constraints(sets, vectors):
    met = set()
    for row in vectors("resource_set")["constraint_eval"]:
        one = ResourceSet(sets[row["R"]]["R"])
        text = json.dumps(row["constraint"])
        expected, _ = DEVIATIONS.get(text, (row.get("ranks", DocumentError), ""))
        met.add(text)
        for constraint in (row["constraint"], text):
            if isinstance(expected, str):
                assert str(one.copy_constraint(constraint).ranks) == expected, text
            else:
                with pytest.raises(expected):
                    one.copy_constraint(constraint)
    assert met >= set(DEVIATIONS)


def test_recorded_bad_input(vectors):
    # Text that is not JSON is a ParseError with its position; Flux lets the JSON module's own ValueError through.
    kinds = {"ValueError": ValueError, "KeyError": KeyError, "TypeError": TypeError, "JSONDecodeError": ParseError}
    for row in vectors("resource_set")["bad_input"]:
        if "exc" in row:
            with pytest.raises(kinds[row["exc"]]):
                ResourceSet(row["in"])
        else:
            assert ResourceSet(row["in"]).dumps() == row["dumps"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"R_lite": 5}, "execution.R_lite"),
        ({"R_lite": [5]}, "execution.R_lite[0]"),
        ({"R_lite": [{"rank": "0"}]}, "execution.R_lite[0]"),
        ({"R_lite": [{"rank": 0, "children": {"core": "0"}}]}, "execution.R_lite[0].rank"),
        ({"R_lite": [{"rank": "3-1", "children": {"core": "0"}}]}, "execution.R_lite[0].rank"),
        ({"R_lite": [{"rank": "0-4000000000", "children": {"core": "0"}}]}, "execution.R_lite[0].rank"),
        ({"R_lite": [{"rank": "0", "children": {"core": "4000000000"}}]}, "execution.R_lite[0].children.core"),
        ({"R_lite": [{"rank": "0", "children": {"core": "0", "gpu": []}}]}, "execution.R_lite[0].children.gpu"),
        ({"nodelist": "n[0-3]"}, "execution.nodelist"),
        ({"nodelist": ["n[0-2]"]}, "execution.nodelist"),
        ({"nodelist": ["n[0-"]}, "execution.nodelist"),
        ({"properties": []}, "execution.properties"),
        ({"properties": {"a b!": "0"}}, "execution.properties.a b!"),
        ({"properties": {"a": "9"}}, "execution.properties.a"),
        ({"expiration": "x"}, "execution.expiration"),
        ({"expiration": -1}, "execution.expiration"),
        ({"starttime": float("nan")}, "execution.starttime"),
        ({"starttime": 10**400}, "execution.starttime"),
        ({"nslots": True}, "execution.nslots"),
    ],
)
def test_a_bad_document_names_the_place(change, path):
    with pytest.raises(DocumentError) as caught:
        Rv1Set({**SMALL, "execution": {**SMALL["execution"], **change}})
    assert caught.value.path == path


@pytest.mark.parametrize(
    "text", ["", "[" * 100000, "[1, 2]", "null", '{"version": 1' + "9" * 5000 + "}", '{"version": true}', "{}"]
)
def test_any_text_is_a_set_or_a_value_error(text):
    with pytest.raises((ValueError, KeyError)) as caught:
        Rv1Set(text)
    assert isinstance(caught.value, (ParseError, DocumentError))
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_any_execution_is_a_set_or_a_document_error(value):
    for document in ({"version": 1, "execution": value}, {"version": 1, "execution": {"R_lite": value}}):
        with contextlib.suppress(DocumentError):
            Rv1Set(document)


def test_a_rank_in_two_entries_has_both():
    one = Rv1Set(r_of([("0-1", {"core": "0-1"}), ("1", {"core": "4", "gpu": "0"})], ["a", "b"]))
    assert one.dumps() == "rank0/core[0-1] rank1/core[0-1,4],gpu0"


def test_no_host_names_are_no_error():
    one = Rv1Set({"version": 1, "execution": {"R_lite": [{"rank": "3", "children": {"core": "0"}}]}})
    assert one.nodelist.count() == 0
    assert "nodelist" not in one.to_dict()["execution"]
    assert one.copy_constraint({"hostlist": ["a"]}).nnodes == 0


def test_scheduling_is_kept_on_request():
    document = {**SMALL, "scheduling": {"writer": "x"}}
    assert Rv1Set(document).scheduling is None
    kept = Rv1Set(document, keep_scheduling=True)
    assert kept.to_dict()["scheduling"] == kept.copy().to_dict()["scheduling"] == {"writer": "x"}
    assert ResourceSet(document, keep_scheduling=True).copy_ranks("0").to_dict()["scheduling"] == {"writer": "x"}


def test_attributes_that_can_be_set():
    one = ResourceSet(SMALL)
    one.state, one.expiration, one.starttime = "up", 20, 10
    assert (one.state, one.to_dict()["execution"]["expiration"], one.copy().starttime) == ("up", 20.0, 10.0)


def test_constraint_on_ranks_with_gaps():
    one = Rv1Set(r_of([("7,9,20-21", {"core": "0"})], ["a7,b9,c[20-21]"], properties={"p": "9,21"}))
    assert str(one.copy_constraint({"properties": ["p"]}).ranks) == "9,21"
    assert str(one.copy_constraint({"hostlist": ["a7,c20"]}).ranks) == "7,20"
    assert str(one.copy_constraint({"ranks": ["0-9"]}).ranks) == "7,9"


nodes = st.dictionaries(st.integers(0, 12), st.tuples(st.integers(0, 31), st.integers(0, 3)).filter(any), max_size=8)


def build(table):
    lite = [
        {"rank": str(rank), "children": {"core": str(IDset.from_mask(c)), "gpu": str(IDset.from_mask(g))}}
        for rank, (c, g) in table.items()
    ]
    return Rv1Set({"version": 1, "execution": {"R_lite": lite, "nodelist": [",".join(f"n{r}" for r in sorted(table))]}})


def items(one):
    return {(r, k, i) for r, pair in one.nodes.items() for k, m in enumerate(pair) for i in range(8) if m >> i & 1}


@given(nodes, nodes)
def test_algebra_is_that_of_sets(a, b):
    left, right = build(a), build(b)
    assert items(left | right) == items(left) | items(right)
    assert items(left - right) == items(left) - items(right)
    assert items(left & right) == {(r, k, i) for r, k, i in items(left) if r in b}
    assert items(left) == items(build(a))
    for one in (left | right, left - right, left & right):
        again = Rv1Set(one.encode())
        assert again == one
        assert again.to_dict() == one.to_dict()
        assert str(one.nodelist) == str(Rv1Set(one.encode()).nodelist)
