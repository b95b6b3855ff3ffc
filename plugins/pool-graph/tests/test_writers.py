"""Results as text, format by format."""

import errno
import json

import pytest
from fluxplug_pool_graph.description import Description, Vertex
from fluxplug_pool_graph.filters import BUILT_IN
from fluxplug_pool_graph.matcher import Taken
from fluxplug_pool_graph.writers import FORMATS, Leftovers, Result, WriterError, write

TYPES = {kind: number for number, kind in enumerate(BUILT_IN)}


def machine():
    """Two nodes with two cores each: cluster 0, nodes 1 and 4, cores 2 3 and 5 6."""
    vertices = [Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})]
    for rank, host in enumerate(("n0", "n1")):
        path = f"/c0/{host}"
        properties = {"big": "", "k": "v"} if rank else {}
        vertices.append(
            Vertex("node", "n", host, rank, len(vertices), rank, properties=properties, paths={"containment": path})
        )
        for core in range(2):
            vertices.append(
                Vertex(
                    "core",
                    "core",
                    f"core{core}",
                    core,
                    len(vertices),
                    rank,
                    paths={"containment": f"{path}/core{core}"},
                )
            )
    return Description(vertices)


def result(*taken, **changes):
    return Result([Taken(*one) for one in taken], machine(), TYPES, **changes)


ONE_CORE = ((6, 4, 3, 1, True), (4, 0, 2, 1, False), (0, -1, 1, 1, False))
TWO_NODES = (
    (2, 1, 3, 1, True),
    (3, 1, 3, 1, True),
    (1, 0, 2, 1, True),
    (5, 4, 3, 1, True),
    (6, 4, 3, 1, True),
    (4, 0, 2, 1, True),
    (0, -1, 1, 1, False),
)


def test_simple():
    assert write("simple", result(*ONE_CORE)) == ("      ---------core1[1:x]\n      ------n1[1:s]\n      ---c0[1:s]\n")
    assert write("pretty_simple", result(*ONE_CORE)) == (
        "      ---c0[1:shared]\n      ------n1[1:shared]\n      ---------core1[1:exclusive]\n"
    )


def test_lines_move_right_after_one_that_is_not_shown():
    leftovers = Leftovers()
    hidden = Result([Taken(0, -1, 1, 1, exclusive=False, shown=False)], machine(), TYPES)
    assert write("simple", hidden, leftovers) == ""
    assert write("simple", result(*ONE_CORE), leftovers).endswith("      ------c0[1:s]\n")


def test_jgf():
    text = write("jgf", result(*ONE_CORE, labels={6: "here"}))
    graph = json.loads(text)["graph"]
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert graph["nodes"][0] == {
        "id": "6",
        "metadata": {
            "type": "core",
            "id": 1,
            "rank": 1,
            "exclusive": True,
            "paths": {"containment": "/c0/n1/core1"},
            "ephemeral": {"label": "here"},
        },
    }
    assert list(graph["nodes"][1]["metadata"]) == ["type", "basename", "id", "rank", "properties", "paths"]
    assert graph["edges"] == [{"source": "4", "target": "6"}, {"source": "0", "target": "4"}]


def test_jgf_names_a_subsystem_that_is_not_containment():
    edges = json.loads(write("jgf", result(*ONE_CORE, subsystem="power")))["graph"]["edges"]
    assert edges[0]["metadata"] == {"subsystem": "power"}


def test_shorthand_leaves_out_what_is_below_exclusive_vertices():
    leftovers = Leftovers()
    document = json.loads(write("jgf_shorthand", result(*TWO_NODES), leftovers))
    assert [node["id"] for node in document["graph"]["nodes"]] == ["1", "4", "0"]
    assert document["writer"] == "fluxion:jgf_shorthand"
    assert "writer" in json.loads(write("jgf_shorthand", result(*ONE_CORE), leftovers))
    assert "writer" not in json.loads(write("jgf_shorthand", result(*ONE_CORE)))
    assert len(json.loads(write("jgf_shorthand", result(*TWO_NODES, search=True)))["graph"]["nodes"]) == 7


def test_a_graph_without_edges_waits_for_the_next_output():
    leftovers = Leftovers()
    with pytest.raises(WriterError) as caught:
        write("jgf", result((0, -1, 1, 1, True)), leftovers)
    assert caught.value.code == errno.ENOENT
    assert [node["id"] for node in json.loads(write("jgf", result(*ONE_CORE), leftovers))["graph"]["nodes"]] == list(
        "0640"
    )
    assert leftovers == Leftovers()


def test_rlite():
    assert write("rlite", result(*TWO_NODES)) == '[{"rank": "0-1", "children": {"core": "0-1"}}]\n'
    with pytest.raises(WriterError):
        write("rlite", result((0, -1, 1, 1, True)))


def test_rv1():
    document = json.loads(write("rv1_nosched", result(*TWO_NODES, start=5, end=65)))
    assert document == {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-1", "children": {"core": "0-1"}}],
            "nodelist": ["n[0-1]"],
            "properties": {"big": "1", "k=v": "1"},
            "starttime": 5,
            "expiration": 65,
        },
    }
    full = json.loads(write("rv1", result(*ONE_CORE), Leftovers(queue="debug")))
    assert list(full) == ["version", "execution", "scheduling", "attributes"]
    assert full["attributes"] == {"system": {"scheduler": {"queue": "debug"}}}


def test_rv1_keeps_the_graph_of_a_result_without_hosts():
    leftovers = Leftovers()
    assert write("rv1", result((0, -1, 1, 1, True)), leftovers) == ""
    assert len(leftovers.nodes) == 1
    assert len(json.loads(write("rv1", result(*ONE_CORE), leftovers))["scheduling"]["graph"]["nodes"]) == 4


@pytest.mark.parametrize("rank", [-1, 2**40])
def test_a_rank_that_no_idset_can_have(rank):
    bad = result(*ONE_CORE)
    bad.description.vertices[4].rank = rank
    with pytest.raises(WriterError) as caught:
        write("rv1_nosched", bad)
    assert caught.value.code == errno.EINVAL


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_say(form):
    if form == "rlite":
        with pytest.raises(WriterError):
            write(form, result())
    else:
        assert write(form, result()) == ""


def test_unknown_format():
    with pytest.raises(ValueError, match="known are simple"):
        write("yaml", result())
