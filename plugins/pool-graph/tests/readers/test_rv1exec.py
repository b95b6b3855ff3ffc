"""R version 1 as a graph."""

from __future__ import annotations

import json

import pytest
from fluxplug_pool_graph.readers import GraphReadError, rv1exec


def r(entries, nodelist, **more):
    r_lite = [{"rank": rank, "children": children} for rank, children in entries]
    return json.dumps({"version": 1, "execution": {"R_lite": r_lite, "nodelist": nodelist, **more}})


def refused(text):
    with pytest.raises(GraphReadError) as caught:
        rv1exec.read(text)
    return caught.value


def test_the_graph():
    made = rv1exec.read(
        r([("7", {"gpu": "1", "core": "0,2"}), ("3", {})], ["b", "a[1-9]"], properties={"p": "3,9", "q": "0-9"})
    )
    rows = [(v.type, v.basename, v.name, v.id, v.uniq_id, v.rank, v.paths["containment"]) for v in made.vertices]
    assert rows == [
        ("cluster", "cluster", "cluster0", 0, 0, -1, "/cluster0"),
        ("node", "a", "a1", 1, 1, 7, "/cluster0/a1"),
        ("gpu", "gpu", "gpu1", 1, 2, 7, "/cluster0/a1/gpu1"),
        ("core", "core", "core0", 0, 3, 7, "/cluster0/a1/core0"),
        ("core", "core", "core2", 2, 4, 7, "/cluster0/a1/core2"),
        ("node", "b", "b", -1, 5, 3, "/cluster0/b"),
    ]
    assert [(e.source, e.target) for e in made.edges] == [(0, 1), (1, 2), (1, 3), (1, 4), (0, 5)]
    assert made.types == ["cluster", "node", "gpu", "core"]
    assert [v.properties for v in made.vertices if v.type == "node"] == [{"q": ""}, {"p": "", "q": ""}]


@pytest.mark.parametrize(
    ("host", "basename", "number"),
    [("a012", "a", 12), ("007", "007", 7), ("a000", "a", 0), ("a", "a", -1), ("a9223372036854775807", "a", 2**63 - 1)],
)
def test_host_names(host, basename, number):
    node = rv1exec.read(r([("0", {})], [host])).vertices[1]
    assert (node.name, node.basename, node.id) == (host, basename, number)


def test_a_rank_that_stands_twice():
    for entries in ([("0", {"core": "0"}), ("0", {"core": "1"})], [("0-1", {}), ("1", {})]):
        error = refused(r(entries, ["a[1-9]"]))
        host = "a1" if entries[0][0] == "0" else "a2"
        assert error.texts == (
            f"add_or_update: found duplicate vertex in graph for {host}.",
            f"unpack_rank: failed unpacking rank for {host}.",
        )


def test_equal_hosts_of_different_ranks_are_two_nodes():
    assert len(rv1exec.read(r([("0-1", {})], ["n", "n"])).vertices) == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[]", "document"),
        ('{"version": 2}', "version"),
        ('{"version": true}', "version"),
        ('{"version": 1.0}', "version"),
        ('{"version": 1}', "execution"),
        ('{"version": 1, "execution": {"nodelist": []}}', "execution.R_lite"),
        ('{"version": 1, "execution": {"R_lite": [], "nodelist": [1]}}', "execution.nodelist"),
        ('{"version": 1, "execution": {"R_lite": []}}', "execution.nodelist"),
        ('{"version": 1, "execution": {"R_lite": [1], "nodelist": []}}', "execution.R_lite[0]"),
        (r([(0, {})], ["a"]), "execution.R_lite[0].rank"),
        (r([("x", {})], ["a"]), "execution.R_lite[0].rank"),
        (r([("0", [])], ["a"]), "execution.R_lite[0].children"),
        (r([("0", {"core": [0]})], ["a"]), "execution.R_lite[0].children.core"),
        (r([("0", {"": "0"})], ["a"]), "execution.R_lite[0].children"),
        (r([("0", {"a/b": "0"})], ["a"]), "execution.R_lite[0].children"),
        (r([("0", {"core1": "0", "core": "10"})], ["a"]), "execution.R_lite[0]"),
        (r([("0-1", {})], ["a"]), "execution.nodelist"),
        (r([("0", {})], ["a["]), "execution.nodelist"),
        (r([("0", {})], ["a/b"]), "execution.nodelist"),
        (r([("0", {})], ["a9223372036854775808"]), "execution.nodelist"),
        (r([("0", {})], ["a"], properties=[]), "execution.properties"),
        (r([("0", {})], ["a"], properties={"p": 1}), "execution.properties.p"),
        (r([("0", {})], ["a"], properties={"p": "x"}), "execution.properties.p"),
        (r([("0-4294967292", {})], ["a"]), "execution.R_lite[0]"),
        (r([("0", {"core": "0-4294967292"})], ["a"]), "execution.R_lite[0]"),
    ],
)
def test_errors_name_their_place_and_have_no_text(text, place):
    assert refused(text).path == place
    assert refused(text).texts == ()


def test_long_paths_are_bounded(monkeypatch):
    monkeypatch.setattr("fluxplug_pool_graph.readers.limits.MAX_PATH_CHARACTERS", 100)
    assert "over 100 characters" in str(refused(r([("0-9", {"core": "0-9"})], ["a[0-9]"])))
