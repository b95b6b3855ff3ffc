"""Any bytes give a graph or a GraphReadError: good documents are damaged at random."""

from __future__ import annotations

import re

import pytest
from fluxplug_pool_graph import readers
from fluxplug_pool_graph.readers import GraphReadError, limits
from hypothesis import given, settings
from hypothesis import strategies as st

R = """{"version": 1, "execution": {"R_lite": [{"rank": "0-1,3", "children": {"core": "0-1", "gpu": "0"}}],
"nodelist": ["a[1-2]", "b"], "properties": {"p": "0"}, "starttime": 0, "expiration": 0}}"""
JGF = """{"graph": {"nodes": [{"id": "0", "metadata": {"type": "cluster", "id": 0, "paths": {"containment": "/c0"}}},
{"id": "1", "metadata": {"type": "node", "name": "n5", "rank": 0, "size": 1, "unit": "", "status": 0, "exclusive": false,
"properties": {"a": ""}, "paths": {"containment": "/c0/n5", "power": "/p/n5"}}}],
"edges": [{"source": "0", "target": "1", "metadata": {"subsystem": "containment"}}]}, "free_ranks": "0-1"}"""
GRUG = """<?xml version="1.0" encoding="UTF-8"?><graphml xmlns="x"> xmlns:y="z">
<key id="root" for="node" attr.name="root" attr.type="int"><default>0</default></key>
<key id="type" for="node" attr.name="type"/><key id="size" for="node" attr.name="size"/><key id="m" for="edge" attr.name="gen_method"/>
<key id="n" for="edge" attr.name="multi_scale"/><key id="s" for="edge" attr.name="id_scope"/>
<key id="e" for="edge" attr.name="e_subsystem"/><key id="u" for="edge" attr.name="as_tgt_uplvl"/><graph id="g" edgedefault="directed">
<node id="a"><data key="root">1</data><data key="type">cluster</data></node><node id="b"><data key="type">rack</data></node>
<node id="c"><data key="type">node</data><data key="size">2</data></node><node id="d"><data key="type">node</data></node>
<edge source="a" target="b"><data key="n">2</data></edge><edge source="b" target="c"><data key="n">3</data><data key="s">1</data></edge>
<edge source="b" target="d"><data key="m">ASSOCIATE_BY_PATH_IN</data><data key="e">power</data><data key="u">1</data></edge>
</graph></graphml>"""
HWLOC = """<?xml version="1.0"?><!DOCTYPE topology SYSTEM "hwloc.dtd"><topology>
<object type="Machine" cpuset="0x3"><info name="HostName" value="n12"/><object type="NUMANode" cpuset="0x3"><object type="Socket" cpuset="0x3">
<object type="Cache" depth="2" cache_size="1024"><object type="Core" cpuset="0x1"><object type="PU" os_index="0"/></object></object>
<object type="Cache" depth="2" cache_size="1024"><object type="Core" cpuset="0x2"/></object></object>
<object type="Bridge"><object type="PCIDev"><object type="OSDev" name="sda" osdev_type="0"><info name="Size" value="5000000"/></object>
<object type="OSDev" name="cuda1" osdev_type="5"/></object></object></object></object></topology>"""
DOCUMENTS = {"rv1exec": R, "jgf": JGF, "grug": GRUG, "hwloc": HWLOC}

#: What a mutation puts in: pieces that mean something somewhere.
WORDS = "0 -1 -2 1 2.5 99999999999999999999 null true [] {} \" ' < > / & &amp; ] } 0-4294967292 a[0-99999] MULTIPLY ASSOCIATE_IN"
MORE = "containment power \\u0000 \\ud800 <![CDATA[ <!-- Group NUMANode Cache cluster node \u00e9 # , :"
PIECES = st.sampled_from([*WORDS.split(), *MORE.split(), "", "\x00", "<!ENTITY a 'b'>"]) | st.text(max_size=3)


@st.composite
def damaged(draw, name):
    text = DOCUMENTS[name]
    tokens = re.findall(r"[A-Za-z_]+|[0-9.]+|\s+|.", text)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                tokens[at] = draw(PIECES)
            case 1:
                tokens.insert(at, draw(PIECES))
            case 2:
                del tokens[at : at + draw(st.integers(1, 12))]
                tokens = tokens or [""]
            case 3:
                stop = at + draw(st.integers(1, 40))
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[other:other] = tokens[at:stop]
    return "".join(tokens)


def check(name, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_VERTICES", 3000)
        patch.setattr(limits, "MAX_EDGES", 3000)
        try:
            made = readers.read(name, text)
        except GraphReadError as error:
            _ = str(error), error.recorded  # whatever the place is, there is a sentence
            return
    count = len(made.vertices)
    assert all(0 <= edge.source < count and 0 <= edge.target < count for edge in made.edges)
    assert set(made.types) >= {vertex.type for vertex in made.vertices}
    for vertex in made.vertices:
        assert all(-(2**63) <= n < 2**63 for n in (vertex.id, vertex.uniq_id, vertex.rank))
        assert 0 <= vertex.size < 2**63
        for string in (vertex.type, vertex.basename, vertex.name, *vertex.paths.values()):
            assert "\0" not in string
            string.encode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_good_documents_are_good(name):
    assert len(readers.read(name, DOCUMENTS[name]).vertices) > 1


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=150)
@given(st.data())
def test_damaged_documents(name, data):
    check(name, data.draw(damaged(name)))


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=50)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_and_any_text(name, text):
    check(name, text)
