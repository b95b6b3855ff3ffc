"""The binding to the C core: what goes in comes out, errors arrive as exceptions, and the reader in C agrees with the one in Python.

What the core does by itself is tested in C (csrc/tests).
"""

import json
import mmap
from functools import partial

import pytest
from attrs import evolve
from fluxplug_graph import lib
from fluxplug_pool_graph.core import (
    Graph,
    GraphArgumentError,
    GraphLookupError,
    check_code,
)
from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.readers import jgf
from fluxplug_pool_graph.readers.limits import GraphReadError
from fluxplug_pool_graph.tables import GraphDocumentError
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import InfeasibleRequest, InsufficientResources

BUILT_IN = ["cluster", "core", "socket", "gpu", "node", "rack", "slot", "xor_slot", "ssd", "storage_node"]


def vertex(uniq_id, kind, number, path, **more):
    return Vertex(
        kind, more.pop("basename", kind), more.pop("name", f"{kind}{number}"), number, uniq_id, paths=path, **more
    )


def small():
    """cluster0 with node0 (core0, core1) and node1; node1 is fed by power0."""
    vertices = [
        vertex(0, "cluster", 0, {"containment": "/cluster0"}),
        vertex(
            7,
            "node",
            1,
            {"containment": "/cluster0/node1", "power": "/power0/node1"},
            rank=1,
            properties={"b": "é", "a": ""},
        ),
        vertex(3, "node", 0, {"containment": "/cluster0/node0"}, rank=0, up=False),
        vertex(4, "core", 0, {"containment": "/cluster0/node0/core0"}, rank=0),
        vertex(5, "core", 1, {"containment": "/cluster0/node0/core1"}, rank=0, size=3, unit="thread"),
        vertex(9, "power", 0, {"power": "/power0"}),
    ]
    edges = [Edge(0, 2), Edge(2, 3), Edge(0, 1), Edge(2, 4), Edge(5, 1, "power")]
    return Description(vertices, edges, ["cluster", "pdu"])


def plain(description):
    """What a graph keeps of a description: no statement about a job, properties in order, edges by source, all types."""
    vertices = [
        evolve(one, exclusive=False, properties=dict(sorted(one.properties.items()))) for one in description.vertices
    ]
    edges = sorted(description.edges, key=lambda edge: edge.source)
    types = list(dict.fromkeys([*BUILT_IN, *description.types, *(one.type for one in description.vertices)]))
    return Description(vertices, edges, types)


def test_a_description_comes_out_as_it_went_in():
    graph = Graph.from_description(small())
    graph.check()
    assert graph.describe() == plain(small())
    assert len(graph) == 6
    assert graph.edges == 5
    assert graph.is_tree
    assert graph.subsystems == ["containment", "power"]
    assert graph.types[10:] == ["pdu", "power"]


def test_vertices_are_in_preorder():
    graph = Graph.from_description(small())
    assert [graph.name(v) for v in range(6)] == ["cluster0", "node0", "core0", "core1", "node1", "power0"]
    assert list(graph.created()) == [0, 4, 1, 2, 3, 5]
    assert graph.place(1).below == range(2, 4)
    assert (graph.place(3).parent, graph.place(3).depth) == (1, 2)
    assert graph.place(5).parent is None
    assert graph.out_edges(1) == [(2, "containment"), (3, "containment")]
    assert graph.out_edges(5) == [(4, "power")]


def test_finding():
    graph = Graph.from_description(small())
    assert graph.find_path("/cluster0/node0/core1") == 3
    assert graph.find_path("/power0/node1") == 4
    assert graph.find_path("/cluster0/node0/core1", 4) is None
    assert graph.find_path("/cluster0/\udcff") is None
    assert graph.by_type("node") == [1, 4]
    assert graph.by_type("nothing") == []
    assert graph.by_rank(0) == [1, 2, 3]
    assert graph.by_rank(-1) == graph.by_rank(2**40) == []
    assert (graph.root(), graph.root("power"), graph.root("ib")) == (0, 5, None)
    assert graph.path(4, "power") == "/power0/node1"
    assert graph.path(4, "ib") == graph.path(0, "power") == ""


def test_status_and_properties_change():
    graph = Graph.from_description(small())
    graph.set_up(1, up=True)
    graph.set_up(4, up=False)
    graph.set_property(4, "a", "x")
    graph.set_property(0, "new", "y")
    assert (graph.vertex(1).up, graph.vertex(4).up) == (True, False)
    assert graph.vertex(4).properties == {"a": "x", "b": "é"}
    assert graph.vertex(0).properties == {"new": "y"}
    graph.check()


@pytest.mark.parametrize("index", [6, -1, 2**40])
def test_no_such_vertex(index):
    graph = Graph.from_description(small())
    for ask in (graph.vertex, graph.name, graph.path, graph.place, graph.out_edges, partial(graph.set_up, up=True)):
        with pytest.raises(GraphLookupError, match=f"no vertex {index}: there are 6"):
            ask(index)
    with pytest.raises(GraphLookupError):
        graph.set_property(index, "a", "")


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_property_that_is_no_text(text):
    with pytest.raises(GraphArgumentError, match="property"):
        Graph.from_description(small()).set_property(0, text, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.vertices.append(vertex(1, "rack", 0, {"containment": "/rack0"})), "a second root, /rack0"),
        (lambda d: d.edges.append(Edge(0, 6)), "edge 5: no such vertex"),
        (lambda d: d.edges.append(Edge(-1, 0)), "edge 5: "),
        (lambda d: d.edges.append(Edge(0, 1, "power")), "edge 0 -> 7: there is one"),
        (lambda d: setattr(d.vertices[2], "id", 2**63), "vertex 2: "),
        (lambda d: setattr(d.vertices[2], "rank", "0"), "vertex 2: "),
        (lambda d: setattr(d.vertices[2], "size", -1), "vertex 2: the size must not be negative"),
        (lambda d: setattr(d.vertices[2], "name", "a\0"), "vertex 2: a string with NUL"),
        (lambda d: setattr(d.vertices[2], "name", "a" * 2**20), "string [0-9]+: too long"),
        (lambda d: setattr(d.vertices[2], "properties", {"a": 1}), "vertex 2: "),
        (lambda d: d.types.extend(map(str, range(65534))), "more than 65534 types"),
    ],
)
def test_description_that_is_refused(change, message):
    description = small()
    change(description)
    with pytest.raises(GraphDocumentError, match=message):
        Graph.from_description(description)


def test_jgf_in_every_kind_of_memory(tmp_path):
    graph = Graph.from_jgf(Graph.from_description(small()).write_jgf())
    assert graph.vertex(3).unit == "", "readers of JGF drop the unit"
    text = graph.write_jgf()
    assert json.loads(text)["graph"]["nodes"][1]["metadata"]["properties"] == {"a": "", "b": "é"}
    path = tmp_path / "graph.json"
    path.write_text(text, encoding="utf-8")
    for memory in (text.encode(), bytearray(text.encode()), memoryview(text.encode())):
        assert Graph.from_jgf(memory).describe() == graph.describe()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert Graph.from_jgf(mapped).write_jgf() == text


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("", "FG_SYNTAX", 0),
        ("\ud800", "FG_SYNTAX", 0),
        ('{"graph": {"nodes": []}}', "FG_FORMAT", 23),
        ("[" * 100, "FG_FORMAT", 0),
        ('{"a":' + "[" * 100, "FG_LIMIT", 68),
    ],
)
def test_document_that_is_refused(text, code, offset):
    with pytest.raises(GraphDocumentError) as caught:
        Graph.from_jgf(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert isinstance(caught.value, GraphReadError)


BAD = [
    ("x", "fetch_jgf"),
    ("version", "fetch_jgf"),
    ("", "fetch_jgf"),
    ('{"graph": {}}', "nodes"),
    ('{"graph": {"nodes": []}}', "edges"),
    ('{"graph": {"nodes": [{}], "edges": []}}', "id key"),
    ('{"graph": {"nodes": [{"id": 1}], "edges": []}}', "id key"),
    ('{"graph": {"nodes": [{"id": "1"}], "edges": []}}', "metadata"),
    ('{"graph": {"nodes": [{"id": "1", "metadata": {"type": "a"}}], "edges": []}}', "malformed"),
    (
        '{"graph": {"nodes": [{"id": "1", "metadata": {"type": "a", "paths": {}, "id": 1.0}}], "edges": []}}',
        "malformed",
    ),
    (
        '{"graph": {"nodes": [{"id": "1", "metadata": {"type": "a", "paths": {}, "properties": null}}], "edges": []}}',
        "(properties)",
    ),
    ('{"graph": {"nodes": [], "edges": [{"source": "0", "target": "77"}]}}', "unpack_edge"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_both_readers_say_what_the_original_says(text, words):
    with pytest.raises(GraphReadError) as here:
        Graph.from_jgf(text)
    with pytest.raises(GraphReadError) as there:
        jgf.read(text)
    assert here.value.recorded == there.value.recorded
    assert words in here.value.recorded


def test_both_readers_agree_on_recorded_documents(shared):
    files = sorted(shared.glob("golden/data/**/*.json"))
    agreed = 0
    for path in files:
        text = path.read_bytes()
        if b'"graph"' not in text or len(text) > 500_000:
            continue
        try:
            description = jgf.read(text)
        except GraphReadError:
            with pytest.raises(GraphDocumentError):
                Graph.from_jgf(text)
            continue
        graph = Graph.from_jgf(text)
        graph.check()
        assert graph.describe() == plain(description), path
        assert Graph.from_description(description).write_jgf() == graph.write_jgf(), path
        agreed += 1
    assert agreed > 5


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("FG_NO_MEMORY", MemoryError),
        ("FG_INVALID", GraphArgumentError),
        ("FG_LIMIT", GraphDocumentError),
        ("FG_NOT_FOUND", GraphLookupError),
        ("FG_BUSY", InsufficientResources),
        ("FG_RANGE", InfeasibleRequest),
    ],
)
def test_codes_become_exceptions(code, kind):
    with pytest.raises(kind, match="a reason"):
        check_code(getattr(lib, code), what="a reason")
    check_code(lib.FG_OK)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def trees(draw):
    """A tree of any names, in any order of creation, with some paths that are not what names say, and a second subsystem."""
    count = draw(st.integers(1, 12))
    vertices, edges = [], []
    for k in range(count):
        kind = draw(st.sampled_from(["cluster", "node", "core", "été"]))
        number = draw(st.one_of(st.integers(-1, 3), INT64.filter(lambda n: n != -2)))
        name = draw(st.one_of(st.just(f"{kind}{number}"), TEXT.map(lambda text: text.replace("/", ""))))
        parent = draw(st.integers(0, k - 1)) if k else None
        above = "" if parent is None else vertices[parent].paths["containment"]
        path = (
            f"{above}/{draw(st.one_of(st.just(name), st.just('odd')))}.{k}"
            if draw(st.booleans())
            else f"{above}/{name}"
        )
        paths = {"containment": path}
        if draw(st.integers(0, 3)) == 0:
            paths["power"] = f"/p/{k}"
        vertices.append(
            vertex(
                k * 3,
                kind,
                number,
                paths,
                basename=draw(st.sampled_from([kind, "other"])),
                name=name,
                rank=k,
                size=draw(st.integers(0, 2**63 - 1)),
                up=draw(st.booleans()),
                properties=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
            )
        )
        if parent is not None:
            edges.append(Edge(parent, k))
    order = draw(st.permutations(range(count)))
    place = {old: new for new, old in enumerate(order)}
    edges = [Edge(place[edge.source], place[edge.target]) for edge in draw(st.permutations(edges))]
    return Description([vertices[old] for old in order], edges, [])


@given(trees())
def test_random_trees_round_trip(description):
    graph = Graph.from_description(description)
    graph.check()
    assert graph.is_tree
    assert graph.describe() == plain(description)
    text = graph.write_jgf()
    assert Graph.from_jgf(text).write_jgf() == text
    assert Graph.from_jgf(text).describe() == graph.describe()
    assert plain(jgf.read(text)) == graph.describe()
    for v in range(len(graph)):
        assert graph.find_path(graph.path(v), v) == v
        below = graph.place(v).below
        assert all((graph.place(other).parent in below or graph.place(other).parent == v) for other in below)
