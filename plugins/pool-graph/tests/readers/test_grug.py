"""GRUG: how recipes are read, and what each way of making instances makes."""

from __future__ import annotations

import pytest
from fluxplug_pool_graph.readers import GraphReadError, grug, limits

NODE_KEYS = ["root", "type", "basename", "size", "unit", "subsystem"]
EDGE_KEYS = [
    "e_subsystem",
    "id_scope",
    "id_start",
    "id_stride",
    "gen_method",
    "multi_scale",
    "as_tgt_subsystem",
    "as_tgt_uplvl",
    "as_src_uplvl",
]
KEYS = "".join(f'<key id="{k}" for="node" attr.name="{k}"/>' for k in NODE_KEYS)
KEYS += "".join(f'<key id="{k}" for="edge" attr.name="{k}"/>' for k in EDGE_KEYS)


def data(attributes):
    return "".join(f'<data key="{key}">{value}</data>' for key, value in attributes.items())


def recipe(nodes, edges, keys=KEYS):
    """`nodes`: {id: attributes}, `edges`: [(source, target, attributes)]."""
    body = "".join(f'<node id="{name}">{data({"type": name} | more)}</node>' for name, more in nodes.items())
    body += "".join(f'<edge id="{s}2{t}" source="{s}" target="{t}">{data(more)}</edge>' for s, t, more in edges)
    return f'<graphml>{keys}<graph id="g" edgedefault="directed">{body}</graph></graphml>'


def names(made, kind):
    return [v.name for v in made.vertices if v.type == kind]


def paths(made, subsystem="containment"):
    return [v.paths[subsystem] for v in made.vertices if subsystem in v.paths]


def refused(text):
    with pytest.raises(GraphReadError) as caught:
        grug.read(text)
    assert caught.value.texts == ("error in reading grug string; ",)
    return str(caught.value)


ROOT = {"root": 1}
RACKS = {"c": ROOT, "rack": {}, "node": {}}


def racks(**more):
    return grug.read(recipe(RACKS, [("c", "rack", {"multi_scale": 2}), ("rack", "node", {"multi_scale": 3} | more)]))


def test_vertices_are_made_edge_by_edge():
    made = racks(id_scope=1)
    assert [(v.type, v.name, v.uniq_id, v.rank) for v in made.vertices] == [
        ("c", "c0", 0, -1),
        ("rack", "rack0", 1, -1),
        ("rack", "rack1", 2, -1),
        *(("node", f"node{k}", 3 + k, k) for k in range(6)),
    ]
    assert [(e.source, e.target) for e in made.edges] == [
        (0, 1),
        (0, 2),
        (1, 3),
        (1, 4),
        (1, 5),
        (2, 6),
        (2, 7),
        (2, 8),
    ]
    assert paths(made)[-1] == "/c0/rack1/node5"
    assert made.types == ["c", "rack", "node"]


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, [0, 1, 2, 0, 1, 2]),
        ({"id_start": 5, "id_stride": 7}, [5, 6, 7, 5, 6, 7]),  # no stride in scope 0
        ({"id_scope": -1}, [-1] * 6),
        ({"id_scope": 1}, [0, 1, 2, 3, 4, 5]),
        ({"id_scope": 9}, [0, 1, 2, 3, 4, 5]),
        ({"id_scope": 1, "id_start": 1, "id_stride": 2}, [1, 3, 5, 7, 9, 11]),
    ],
)
def test_ids(more, ids):
    assert [v.id for v in racks(**more).vertices if v.type == "node"] == ids


def test_a_vertex_without_number_has_the_basename_as_its_name():
    assert names(racks(id_scope=-1), "node") == ["node"] * 6


def test_the_window_of_a_scope():
    nodes = {"c": ROOT, "a": {}, "b": {}, "d": {}}
    for scope, ids in ((1, [0, 1, 2, 3, 0, 1, 2, 3]), (2, list(range(8)))):
        last = ("b", "d", {"multi_scale": 2, "id_scope": scope})
        made = grug.read(recipe(nodes, [("c", "a", {"multi_scale": 2}), ("a", "b", {"multi_scale": 2}), last]))
        assert [v.id for v in made.vertices if v.type == "d"] == ids


def test_attributes_and_defaults():
    keys = KEYS.replace('attr.name="size"/>', 'attr.name="size"><default>4</default></key>')
    made = grug.read(
        recipe(
            {"c": ROOT, "m": {"basename": "mem", "size": " 8 ", "unit": "GB"}, "x": {}},
            [("c", "m", {}), ("c", "x", {})],
            keys,
        )
    )
    assert [(v.basename, v.name, v.size, v.unit) for v in made.vertices] == [
        ("c", "c0", 4, ""),
        ("mem", "mem0", 8, "GB"),
        ("x", "x0", 4, ""),
    ]


def test_a_root_that_no_edge_leaves_is_never_made():
    made = grug.read(recipe({"c": ROOT}, []))
    assert (made.vertices, made.types) == ([], ["c"])


def test_a_vertex_that_is_visited_before_its_source_has_no_instances():
    made = grug.read(recipe({"node": {}, "c": ROOT}, [("c", "node", {})]))
    assert made.vertices == []


def test_nothing_is_made_of_a_scale_of_nothing():
    assert len(racks(multi_scale=0).vertices) == len(racks(multi_scale=-3).vertices) == 3


POWER = {"subsystem": "power"}
#: Two racks with two nodes; a panel feeds the racks in the subsystem power.
FED = {
    "c": ROOT,
    "rack": {},
    "node": {},
    "panel": ROOT | POWER,
    "prack": {"type": "rack"} | POWER,
    "pnode": {"type": "node"} | POWER,
}
MADE = [("c", "rack", {"multi_scale": 2}), ("rack", "node", {"multi_scale": 2})]
FEEDS = ("panel", "prack", {"e_subsystem": "power", "gen_method": "ASSOCIATE_IN"})


def test_associate_in_takes_all_of_the_type():
    made = grug.read(recipe(FED, [*MADE, FEEDS]))
    assert paths(made, "power") == ["/panel0/rack0", "/panel0/rack1", "/panel0"]
    assert [(e.source, e.target) for e in made.edges if e.subsystem == "power"] == [(7, 1), (7, 2)]


def test_associate_by_path_takes_those_at_the_right_place():
    method = {"gen_method": "ASSOCIATE_BY_PATH_IN", "e_subsystem": "power", "as_src_uplvl": 0}
    made = grug.read(recipe(FED, [*MADE, FEEDS, ("prack", "pnode", method)]))
    assert [p for p in paths(made, "power") if "node" in p] == [
        f"/panel0/rack{k}/node{i}" for k in (0, 1) for i in (0, 1)
    ]
    # The edges from rack to node are there already and get a new label.
    assert [(e.source, e.target, e.subsystem) for e in made.edges[2:6]] == [
        (1, 3, "power"),
        (1, 4, "power"),
        (2, 5, "power"),
        (2, 6, "power"),
    ]


def test_associate_by_path_within_the_subsystem_that_is_compared():
    method = {"gen_method": "ASSOCIATE_BY_PATH_IN", "as_src_uplvl": 0}
    made = grug.read(recipe({"c": ROOT, "rack": {}, "node": {}, "x": {"type": "node"}}, [*MADE, ("rack", "x", method)]))
    assert len(made.edges) == 6
    assert paths(made)[3:] == ["/c0/rack0/node0", "/c0/rack0/node1", "/c0/rack1/node0", "/c0/rack1/node1"]


@pytest.mark.parametrize(
    ("up", "prefix"), [(-1, "/a/b/c/"), (0, "/a/b/c/"), (1, "/a/b/"), (2, "/a/"), (3, "/"), (4, ""), (9, "")]
)
def test_prefixes(up, prefix):
    vertex = racks().vertices[0]
    vertex.paths = {"s": "/a/b/c"}
    assert grug._prefix(vertex, "s", up) == prefix
    assert grug._prefix(vertex, "t", up) == ""


def test_a_scale_is_taken_back_for_every_vertex_that_is_left():
    # The association puts nothing on the stack and yet takes the scale of rack away: the window for node is 1.
    nodes = {"c": ROOT, "rack": {}, "x": {"type": "rack"}, "node": {}}
    edges = [("c", "rack", {"multi_scale": 2}), ("rack", "x", {"gen_method": "ASSOCIATE_IN", "e_subsystem": "s"})]
    made = grug.read(recipe(nodes, [*edges, ("rack", "node", {"multi_scale": 2, "id_scope": 1})]))
    assert [v.id for v in made.vertices if v.type == "node"] == [0, 1, 0, 1]


def test_roots_of_one_subsystem_are_one():
    made = grug.read(recipe({"c": ROOT, "x": {}, "d": ROOT, "y": {}}, [("c", "x", {}), ("d", "y", {})]))
    assert paths(made) == ["/c0", "/c0/x0", "/c0/y0"]


def test_stray_text_is_tolerated():
    text = recipe(RACKS, [("c", "rack", {})])
    stray = text.replace("><", '> xmlns:xsi="x"\n <!-- <no> --> <')
    assert grug.read(stray).vertices == grug.read(text).vertices


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: not XML: no element found"),
        ("junk", "line 1: not XML"),
        ("<junk/>", "expected the element graphml, not 'junk'"),
        ("<graphml/><graphml/>", "not XML: junk after document element"),
        ("<graphml>\n<graph><node/></graph></graphml>", "line 2: the element node needs the attribute id"),
        (recipe({"c": ROOT}, []).replace("directed", "undirected"), "expected a directed graph"),
        (recipe({"c": {"zzz": 1}}, []), "node 'c': the key 'zzz' is not declared"),
        (recipe({"c": {"size": "x"}}, []), "node 'c': size: expected an integer"),
        (recipe({"c": {"size": -1}}, []), "node 'c': size: expected a non-negative integer"),
        (recipe({"c": {"size": 2**63}}, []), "node 'c': size: expected an integer of 64 bits"),
        (recipe({"c": {"type": ""}}, []), "node 'c': type"),
        (recipe({"c": {"basename": "a/b"}}, []), "node 'c': basename"),
        (recipe({"c": {"basename": "a" * 5000}}, []), "a name of 5000 characters"),
        (recipe({"c": {}}, []).replace("</graph>", '<node id="c"/></graph>'), "node 'c': the id stands twice"),
        (recipe({"c": ROOT}, [("c", "d", {})]), "edge 'c2d': there is no node 'd'"),
        (
            recipe({"c": ROOT, "d": {}}, [("c", "d", {"gen_method": "X"})]),
            "edge 'c2d': gen_method: expected one of MULTIPLY",
        ),
        (recipe({"c": ROOT, "d": {}}, [("c", "d", {"multi_scale": 10**9})]), "leads to 1000000001 vertices"),
        (recipe({"c": ROOT, "d": {}}, [("c", "d", {"id_start": 2**63 - 1, "multi_scale": 2})]), "does not fit 64 bits"),
        (
            recipe({f"n{k}": ROOT for k in range(120)}, [(f"n{k}", f"n{k + 1}", {}) for k in range(119)]),
            "nested too deeply",
        ),
        ("<graphml><key id='a'><data key='b'/><default/></key>", "not XML"),
    ],
)
def test_errors_name_their_place(text, reason):
    assert reason in refused(text)


def test_what_a_recipe_leads_to_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_EDGES", 5)
    assert "leads to 8 edges, the limit is 5" in refused(
        recipe(RACKS, [("c", "rack", {"multi_scale": 2}), ("rack", "node", {"multi_scale": 3})])
    )
    monkeypatch.setattr(limits, "MAX_EDGES", 7)
    nodes = {"c": ROOT, "rack": {}, "node": {}, "x": {"type": "node"}}
    assert "associates more than 7 times" in refused(
        recipe(nodes, [*MADE, ("rack", "x", {"gen_method": "ASSOCIATE_IN"})])
    )
    monkeypatch.setattr(limits, "MAX_PATH_CHARACTERS", 10)
    assert "paths of over 10 characters" in refused(recipe(RACKS, [("c", "rack", {"multi_scale": 2})]))
