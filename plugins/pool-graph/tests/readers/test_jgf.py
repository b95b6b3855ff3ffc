"""JGF: defaults, types, errors with their places and texts, allocations."""

from __future__ import annotations

import json

import pytest
from fluxplug_pool_graph.readers import GraphReadError, jgf

from fluxplug.values.idset import IDset


def node(outer, kind, path, **more):
    return {"id": outer, "metadata": {"type": kind, "paths": {"containment": path}, **more}}


def document(nodes, edges=(), **more):
    made = [{"source": s, "target": t, **dict(*rest)} for s, t, *rest in edges]
    return json.dumps({"graph": {"nodes": nodes, "edges": made}, **more})


ROOT = node("0", "cluster", "/c0", id=0)


def one(**more):
    return jgf.read(document([node("12", "core", "/c/x", **more)])).vertices[0]


def refused(text):
    with pytest.raises(GraphReadError) as caught:
        jgf.read(text)
    return caught.value


def test_defaults():
    vertex = one()
    assert (vertex.type, vertex.basename, vertex.name, vertex.id, vertex.uniq_id) == ("core", "core", "core12", 12, 12)
    assert (vertex.rank, vertex.size, vertex.unit, vertex.up, vertex.exclusive) == (-1, 1, "", True, False)
    assert vertex.properties == {}
    assert vertex.paths == {"containment": "/c/x"}


def test_everything_given():
    vertex = one(
        basename="b",
        name="n",
        id=3,
        uniq_id=99,
        rank=4,
        status=1,
        exclusive=True,
        unit="GB",
        size=0,
        properties={"p": ""},
    )
    assert (vertex.basename, vertex.name, vertex.id, vertex.uniq_id, vertex.rank) == ("b", "n", 3, 99, 4)
    assert (vertex.size, vertex.unit, vertex.up, vertex.exclusive) == (0, "", False, True)
    assert vertex.properties == {"p": ""}


@pytest.mark.parametrize(
    ("more", "number"),
    [
        ({"id": -1}, -1),
        ({"id": -5}, -5),
        ({"id": -2}, 12),
        ({"name": "n007"}, 12),
        ({"type": "node", "name": "n007"}, 7),
        ({"type": "node", "name": "n000"}, 0),
        ({"type": "node", "name": "n007", "id": -2}, 7),
        ({"type": "node", "name": "n"}, 12),
        ({"type": "node", "name": "n7", "id": 1}, 1),
        ({"type": "node"}, 12),
        ({"uniq_id": 5}, 5),
    ],
)
def test_ids(more, number):
    assert one(**more).id == number


def test_outer_ids_are_read_by_their_leading_digits():
    assert jgf.read(document([node("7x", "core", "/c/x")])).vertices[0].uniq_id == 7
    assert jgf.read(document([node("x", "core", "/c/x", uniq_id=4)])).vertices[0].uniq_id == 4
    assert "must begin with a number" in str(refused(document([node("x", "core", "/c/x")])))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", 1),
        ("type", None),
        ("type", ""),
        ("basename", 1),
        ("name", None),
        ("id", 0.5),
        ("id", True),
        ("id", "1"),
        ("id", 2**63),
        ("uniq_id", "1"),
        ("uniq_id", None),
        ("rank", 1.0),
        ("rank", None),
        ("status", 2),
        ("status", True),
        ("exclusive", 1),
        ("unit", 0),
        ("size", -1),
        ("size", 2**63),
        ("paths", []),
        ("paths", {"containment": 1}),
    ],
)
def test_wrong_values_name_vertex_and_key(key, value):
    error = refused(document([node("12", "core", "/c/x") | {"metadata": {"type": "core", "paths": {}, key: value}}]))
    assert error.path == f"vertex '12': {key}"
    assert error.texts == ("fill_fetcher: malformed metadata in an JGF node for 12",)


@pytest.mark.parametrize("properties", [None, [], "a", 1])
def test_properties_are_an_object(properties):
    error = refused(document([node("1", "core", "/c/x", properties=properties)]))
    assert error.texts == ("fill_fetcher: key (properties) must be an object or null for 1.",)


def test_property_values_are_strings():
    assert "expected a string for 'a'" in str(refused(document([node("1", "core", "/c/x", properties={"a": 1})])))


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("", ("fetch_jgf: json_loads returned an error: '[' or '{' expected near end of file: <string>@1:0.",)),
        ("\n xyz", ("fetch_jgf: json_loads returned an error: '[' or '{' expected near 'xyz': <string>@2:4.",)),
        ("[]", ()),
        ("{}", ()),
        ('{"graph": []}', ()),
        ('{"graph": {"edges": []}}', ("fetch_jgf: JGF does not contain a required key (nodes).",)),
        ('{"graph": {"nodes": []}}', ("fetch_jgf: JGF does not contain a required key (edges).",)),
        (document([{"metadata": {}}]), ("fill_fetcher: JGF vertex id key is not found in a node.",)),
        (document([3]), ("fill_fetcher: JGF vertex id key is not found in a node.",)),
        (document([{"id": "5"}]), ("fill_fetcher: key (metadata) is not found in an JGF node for 5.",)),
        (
            document([ROOT], [("0", "8")]),
            ("unpack_edge: source and/or target vertex not found0 -> 8.",),
        ),
        (
            document([ROOT, node("1", "cluster", "/d0")]),
            ("add_graph_metadata: failed to add root metadata for containment subsystem. Possible duplicate root.",),
        ),
        (document([ROOT, ROOT]), ()),
    ],
)
def test_texts_of_the_original(text, texts):
    assert refused(text).texts == texts


@pytest.mark.parametrize(
    ("edge", "reason"),
    [
        (3, "expected an object"),
        ({"source": 0, "target": "1"}, "string source and target"),
        ({"source": "0"}, "string source and target"),
        ({"source": "0", "target": "1", "metadata": None}, "metadata"),
        ({"source": "0", "target": "1", "metadata": {"subsystem": 1}}, "subsystem"),
    ],
)
def test_wrong_edges_name_their_place(edge, reason):
    text = json.dumps({"graph": {"nodes": [ROOT, node("1", "node", "/c0/n1")], "edges": [edge]}})
    assert refused(text).path.startswith("graph.edges[0]")
    assert reason in str(refused(text))


def test_edges_keep_order_and_subsystem():
    nodes = [ROOT, node("1", "node", "/c0/n1"), node("2", "node", "/c0/n2")]
    edges = [
        ("0", "2", {"metadata": {"name": {"containment": "contains"}}}),
        ("0", "1"),
        ("1", "2", {"metadata": {"subsystem": "net"}}),
    ]
    made = jgf.read(document(nodes, edges))
    assert [(e.source, e.target, e.subsystem) for e in made.edges] == [
        (0, 2, "containment"),
        (0, 1, "containment"),
        (1, 2, "net"),
    ]
    assert "a second edge" in str(refused(document(nodes, [*edges, ("0", "2")])))


def test_too_many_edges(monkeypatch):
    monkeypatch.setattr("fluxplug_pool_graph.readers.limits.MAX_EDGES", 0)
    assert "1 edges, the limit is 0" in str(refused(document([ROOT, node("1", "node", "/c0/n1")], [("0", "1")])))


def test_a_vertex_with_path_and_rank_of_another_is_that_one():
    nodes = [
        ROOT,
        node("1", "node", "/c0/n", rank=0),
        node("2", "node", "/c0/n", rank=0),
        node("3", "node", "/c0/n", rank=1),
    ]
    made = jgf.read(document([*nodes, node("4", "core", "/c0/n/c")], [("0", "1"), ("2", "4")]))
    assert [v.uniq_id for v in made.vertices] == [0, 1, 3, 4]
    assert [(e.source, e.target) for e in made.edges] == [(0, 1), (1, 3)]


def test_types_stand_in_the_order_of_the_document():
    made = jgf.read(
        document([ROOT, node("1", "zoo", "/c0/z1"), node("2", "core", "/c0/c2"), node("3", "zoo", "/c0/z3")])
    )
    assert made.types == ["cluster", "zoo", "core"]


def test_a_part_of_a_graph_has_no_root():
    assert len(jgf.read(document([node("1", "node", "/c0/n1")])).vertices) == 1
    assert jgf.read(document([])).vertices == []


def test_an_allocation_says_what_is_exclusive_and_which_ranks_are_free():
    made = jgf.read(document([ROOT, node("1", "node", "/c0/n1", exclusive=True)], free_ranks="0-2,5"))
    assert [v.exclusive for v in made.vertices] == [False, True]
    assert made.free_ranks == IDset("0-2,5")
    assert jgf.read(document([ROOT])).free_ranks == IDset()
    for bad in ("x", 1, None):
        assert refused(document([ROOT], free_ranks=bad)).path == "free_ranks"
