"""The registry, the error, and the limits that all readers share."""

from __future__ import annotations

import json

import pytest
from fluxplug_pool_graph import readers
from fluxplug_pool_graph.readers import GraphReadError, limits

from fluxplug.errors import DocumentError, FluxplugError

CLUSTER = {"id": "0", "metadata": {"type": "cluster", "id": 0, "paths": {"containment": "/c0"}}}
R = {"version": 1, "execution": {"R_lite": [{"rank": "0-1", "children": {"core": "0-1"}}], "nodelist": ["a[1-2]"]}}
GRUG = """<graphml><key id="m" for="edge" attr.name="multi_scale" attr.type="int"/><key id="r" for="node" attr.name="root"/>
<key id="t" for="node" attr.name="type"/><graph edgedefault="directed">
<node id="a"><data key="r">1</data><data key="t">cluster</data></node><node id="b"><data key="t">node</data></node>
<edge source="a" target="b"><data key="m">3</data></edge></graph></graphml>"""
HWLOC = '<topology version="2.0"><object type="Machine"><info name="HostName" value="n7"/></object></topology>'
GOOD = {
    "grug": GRUG,
    "hwloc": HWLOC,
    "jgf": json.dumps({"graph": {"nodes": [CLUSTER], "edges": []}}),
    "jgf_shorthand": json.dumps({"graph": {"nodes": [CLUSTER], "edges": []}, "writer": "fluxion:jgf_shorthand"}),
    "rv1exec": json.dumps(R),
    "rv1exec_force": json.dumps(R),
}


def refused(name, text):
    with pytest.raises(GraphReadError) as caught:
        readers.read(name, text)
    return caught.value


@pytest.mark.parametrize("name", readers.NAMES)
def test_reads_text_and_bytes_alike(name):
    made = readers.read(name, GOOD[name])
    assert made == readers.read(name, GOOD[name].encode())
    assert made.vertices[0].type == "cluster"
    assert made.types[0] == "cluster"


def test_an_unknown_name_lists_the_known():
    with pytest.raises(FluxplugError, match="'jfg'; there are grug, hwloc, jgf, jgf_shorthand, rv1exec, rv1exec_force"):
        readers.read("jfg", "")


def test_the_error_names_the_place_and_keeps_the_texts():
    error = GraphReadError("vertex '7'", "is odd", ["one.", "two."])
    assert isinstance(error, DocumentError)
    assert (str(error), error.texts, error.recorded) == ("vertex '7': is odd", ("one.", "two."), "one.\ntwo.\n")
    assert GraphReadError("", "x", ("fragment; ",)).recorded == "fragment; "


@pytest.mark.parametrize("name", readers.NAMES)
def test_what_is_not_utf8_is_refused(name):
    assert "not UTF-8" in str(refused(name, b"\xff\xfe"))
    assert "not UTF-8" in str(refused(name, "\ud800"))


@pytest.mark.parametrize("name", readers.NAMES)
def test_a_long_document_is_refused(name, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 20)
    assert "the limit is 20" in str(refused(name, GOOD[name]))


@pytest.mark.parametrize("name", ["grug", "jgf", "rv1exec"])
def test_too_many_vertices_are_refused(name, monkeypatch):
    monkeypatch.setattr(limits, "MAX_VERTICES", 0)
    assert "vertices, the limit is 0" in str(refused(name, GOOD[name]))


@pytest.mark.parametrize("depth", [95, 200, 100_000])
@pytest.mark.parametrize(("start", "stop"), [("[", "]"), ('{"a":', "}")])
def test_depth_of_json(depth, start, stop):
    text = GOOD["jgf"][:-1] + ', "more": ' + start * depth + "1" + stop * depth + "}"
    if depth < 100:
        assert readers.read("jgf", text).vertices
    else:
        assert "nested too deeply" in str(refused("jgf", text))


@pytest.mark.parametrize("name", ["grug", "hwloc"])
def test_depth_of_xml(name):
    inner = "<x>" * 97 + "</x>" * 97
    fits = GOOD[name].replace("</graph>", inner + "</graph>").replace("</object>", inner + "</object>")
    assert readers.read(name, fits).vertices
    assert "nested too deeply" in str(refused(name, fits.replace(inner, "<x>" * 99 + "</x>" * 99)))


LAUGHS = """<?xml version="1.0"?><!DOCTYPE %s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
EXTERNAL = """<!DOCTYPE %s [<!ENTITY x SYSTEM "file:///etc/passwd">]>"""
PARAMETER = """<!DOCTYPE %s [<!ENTITY %% x SYSTEM "http://localhost/x.dtd"> %%x;]>"""


@pytest.mark.parametrize("head", [LAUGHS, EXTERNAL, PARAMETER])
@pytest.mark.parametrize(("name", "root"), [("grug", "graphml"), ("hwloc", "topology")])
def test_entity_declarations_are_refused(name, root, head):
    assert "entities are not accepted" in str(refused(name, head % root + GOOD[name]))


@pytest.mark.parametrize(("name", "root"), [("grug", "graphml"), ("hwloc", "topology")])
def test_references_to_what_is_not_declared_are_refused(name, root):
    body = GOOD[name].replace("</", "&nothing;</", 1)
    assert refused(name, body).texts
    assert "entities" in str(refused(name, f'<!DOCTYPE {root} SYSTEM "x.dtd">' + body))


@pytest.mark.parametrize(("name", "root"), [("grug", "graphml"), ("hwloc", "topology")])
def test_an_external_dtd_is_named_and_not_fetched(name, root):
    assert readers.read(name, f'<!DOCTYPE {root} SYSTEM "/nowhere/x.dtd">' + GOOD[name]) == readers.read(
        name, GOOD[name]
    )


def test_attribute_defaults_of_a_dtd_are_not_filled_in():
    text = '<!DOCTYPE topology [<!ATTLIST info name CDATA "HostName" value CDATA "evil">]>'
    made = readers.read("hwloc", text + '<topology version="2.0"><object type="Machine"><info/></object></topology>')
    assert [v.type for v in made.vertices] == ["cluster"]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{"graph": {"nodes": [{"id": "0", "id": "1"}], "edges": []}}', "graph.nodes[0]", "the key 'id' stands twice"),
        ('{"graph": 1, "graph": 2}', "document", "the key 'graph' stands twice"),
        ('{"graph": {"nodes": {"a": 1, "a": 2}}, "graph": 2}', "document", "the key 'graph' stands twice"),
        ('{\n "graph": nil}', "line 2 column 11", "not JSON"),
        ('{"a": NaN}', "document", "NaN is not a JSON value"),
        ('{"a": ' + "9" * 5000 + "}", "document", "not JSON"),
        ('{"a": "\\ud800"}', "document", "a character that no name can have"),
        ('{"a": {"b": ["\\u0000"]}}', "a.b", "a character that no name can have"),
    ],
)
def test_json_that_is_refused_names_its_place(text, place, reason):
    for name in ("jgf", "rv1exec"):
        error = refused(name, text)
        assert error.path == place
        assert reason in error.reason


def test_escapes_that_are_text_are_read():
    assert readers.read("jgf", GOOD["jgf"].replace("cluster", "cl\\u00fcster \\ud83d\\ude00")).types == [
        "cl\u00fcster \U0001f600"
    ]
