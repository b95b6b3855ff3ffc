"""The readers against recorded runs of the original: counts, vertices, edges and errors."""

from __future__ import annotations

import getopt
import json
import re
from collections import Counter
from functools import cache

import pytest
from fluxplug_pool_graph import readers
from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.readers import GraphReadError

FILES = ("cases.jsonl", "random_visible.jsonl")
LONG = ["load-file=", "load-format=", "load-allowlist=", "match-format=", "elapse-time", "prune-filters=", "help"]
#: Commands after which a printed graph is no longer the one that was read.
CHANGES = re.compile(r"^(attach|j|remove|set-property|p|set-status|t|update|u) ", re.MULTILINE)


def options(argv):
    try:
        found, _ = getopt.gnu_getopt(argv, "L:f:W:S:P:F:T:p:g:o:t:r:edh", LONG)
    except getopt.GetoptError:
        return None
    short = {"--load-file": "-L", "--load-format": "-f", "--load-allowlist": "-W", "--match-format": "-F"}
    return {short.get(name, name): value for name, value in found}


@pytest.fixture(scope="module")
def loaded(shared):
    """Every case whose graph there is: the case, its options, and what the reader made of it."""

    @cache
    def load(name, text, allowlist):
        try:
            return readers.read(name, text, allowlist=allowlist)
        except GraphReadError as error:
            return error

    found = []
    for file in FILES:
        for line in (shared / "golden" / file).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            chosen = options(case["argv"])
            path = chosen.get("-L", "") if chosen else ""
            text = ((case.get("files") or {}) | (case.get("graph") or {})).get(path)
            if text is None and path and (shared / "golden" / path).is_file():
                text = (shared / "golden" / path).read_bytes()
            if text is not None:
                allowlist = tuple(word for word in chosen.get("-W", "").split(",") if word)
                found.append((case, chosen, load(chosen.get("-f", "grug"), text, allowlist)))
    return found


def head(text):
    return text if isinstance(text, str) else text["head"]


def outputs(case):
    return [head(text) for text in (case["expect"]["stdout"], *(case["expect"].get("out_files") or {}).values())]


def test_every_recorded_document_is_read_or_refused_as_recorded(loaded):
    refused = 0
    for case, _, got in loaded:
        stderr = head(case["expect"]["stderr"])
        if isinstance(got, GraphReadError):
            expected = (
                f": Runtime error: resource_query_t: ERROR: {got.recorded}\nERROR: error generating resources\n\n"
            )
            assert stderr == expected, case["id"]
            refused += 1
        else:
            assert "error generating resources" not in stderr, case["id"]
    assert len(loaded) > 1000
    assert refused > 20


def test_counts_are_those_of_elapse_time(loaded):
    tried = 0
    for case, chosen, got in loaded:
        if not {"-e", "--elapse-time"} & chosen.keys():
            continue
        vertices = got.vertices
        counts = {
            "Vertex Count": len(vertices),
            "Edge Count": len(got.edges),
            "by_type Key-Value Pairs": len({v.type for v in vertices}),
            "by_name Key-Value Pairs": len({v.name for v in vertices}),
            "by_path Key-Value Pairs": len({path for v in vertices for path in v.paths.values()}),
        }
        ranks = Counter(v.rank for v in vertices)
        counts |= {f"number of vertices with rank {rank}": ranks[rank] for rank in sorted(ranks)}
        expected = "".join(f"INFO: {what}: {count}\n" for what, count in counts.items())
        assert expected in head(case["expect"]["stdout"]), case["id"]
        tried += 1
    assert tried > 30


def test_vertices_of_jgf_output_are_those_that_were_read(loaded):
    tried = 0
    for case, chosen, got in loaded:
        if chosen.get("-F") != "jgf" or isinstance(got, GraphReadError) or CHANGES.search(case["stdin"]):
            continue
        mine = {str(v.uniq_id): v for v in got.vertices}
        for line in "\n".join(outputs(case)).splitlines():
            try:
                graph = json.loads(line)["graph"] if line.startswith('{"graph"') else {"nodes": []}
            except ValueError:  # a text of which only the head is recorded
                continue
            for node in graph["nodes"]:
                metadata = node["metadata"]
                vertex = mine[node["id"]]
                basename = metadata.get("basename", metadata["type"])
                for key, value in {
                    "type": metadata["type"],
                    "basename": basename,
                    "name": metadata.get("name", f"{basename}{metadata['id']}"),
                    "id": metadata["id"],
                    "rank": metadata["rank"],
                    "paths": metadata["paths"],
                    "properties": metadata.get("properties", {}),
                    "unit": metadata.get("unit", ""),
                }.items():
                    assert getattr(vertex, key) == value, (case["id"], node["id"], key)
                tried += 1
    assert tried > 2000


def test_find_of_all_that_is_up_gives_the_whole_graph(loaded):
    tried = 0
    for case, chosen, got in loaded:
        first = case["stdin"].splitlines()[:1]
        if chosen.get("-F") != "jgf" or first != ["find status=up"] or isinstance(got, GraphReadError):
            continue
        lines = "\n".join(outputs(case)).splitlines()
        # Commands that print nothing on success leave another's graph first.
        if not lines[:1] or not lines[0].startswith('{"graph"') or 'EXPRESSION="status=up"' not in lines[2]:
            continue
        graph = json.loads(lines[0])["graph"]
        reached = {0}
        for edge in sorted(got.edges, key=lambda e: e.source):
            if edge.source in reached and got.vertices[edge.target].up:
                reached.add(edge.target)
        nodes = {node["id"]: node["metadata"].get("size", 1) for node in graph["nodes"]}
        assert nodes == {str(got.vertices[i].uniq_id): got.vertices[i].size for i in reached}, case["id"]
        ids = [str(v.uniq_id) for v in got.vertices]
        for source in reached:
            inside = (e for e in got.edges if e.source == source and e.subsystem == CONTAINMENT)
            expected = [ids[e.target] for e in inside if e.target in reached]
            printed = [e["target"] for e in graph["edges"] if e["source"] == ids[source]]
            assert printed == expected, (case["id"], source)
        tried += 1
    assert tried > 15


def test_hwloc_children_have_the_recorded_order(loaded):
    tried = 0
    for case, chosen, got in loaded:
        if chosen.get("-f") != "hwloc" or chosen.get("-F", "simple") != "simple" or isinstance(got, GraphReadError):
            continue
        lines = [
            found.groups()
            for found in re.finditer(r"^ {6}((?:---)+)(\S+)\[(\d+):", "\n".join(outputs(case)), re.MULTILINE)
        ]
        depth = [v.paths["containment"].count("/") for v in got.vertices]
        post = []  # children before parents, siblings in order

        def visit(index, got=got, post=post, depth=depth):
            for edge in got.edges:
                if edge.source == index:
                    visit(edge.target)
            post.append((3 * depth[index], got.vertices[index].name, got.vertices[index].size))

        visit(0)
        printed = [(len(dashes), name, int(size)) for dashes, name, size in lines]
        while printed:  # one job after the other, each ends with the root
            stop = printed.index((3, "cluster0", 1)) + 1
            places = [post.index(line) for line in printed[:stop]]
            if not case["id"].startswith("t4004"):  # there the order of choice shows: gpu5 is before gpu4 in the file
                assert places == sorted(places), case["id"]
            printed = printed[stop:]
            tried += 1
    assert tried >= 8
