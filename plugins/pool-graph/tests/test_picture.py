"""Pictures: what the XML shows, where boxes are, what is summed up, and that names cannot become markup."""

import json
import xml.etree.ElementTree as ET

import pytest
from fluxplug_pool_graph import boxes as shape
from fluxplug_pool_graph.boxes import arrange, boxes
from fluxplug_pool_graph.documents import guess_format, read_graph, read_holding
from fluxplug_pool_graph.jobspec import compile_jobspec
from fluxplug_pool_graph.matcher import Operation, Options
from fluxplug_pool_graph.matchers import matcher_class
from fluxplug_pool_graph.picture import draw, page
from fluxplug_pool_graph.readers import GraphReadError
from fluxplug_pool_graph.use import Use
from machines import r_of, racks
from slow import SlowMatcher

from fluxplug.errors import DocumentError
from fluxplug.report.chart import FULL

parse = ET.fromstring  # what is read is our own
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('x')</script>\"&]]>\u202e"


def use_of(document, **holdings):
    use = Use(read_graph(json.dumps(document)))
    for how, held in holdings.items():
        use.add(read_holding(json.dumps(held)), reserved=how == "reserved", highlight=how == "highlight")
    return use


def svg_of(use):
    return parse(draw(use, "machine.json").alone())


def boxes_in(svg):
    """Title -> (class, states of the bar by width, whether outlined) of each box."""
    found = {}
    for group in svg.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is None:
            continue
        rects = group.findall(f"{SVG}rect")
        bar = {r.get("data-state"): float(r.get("width")) for r in rects if r.get("data-state")}
        found[title.text.partition("\n")[0]] = (
            group.get("class"),
            bar,
            any(r.get("class") == "highlight" for r in rects),
        )
    return found


def flat(several):
    for box in several:
        yield box
        yield from flat(box.children)


class TestSmall:
    @pytest.fixture
    def shown(self):
        down = {"/cluster0/rack1/node3": {"status": 1}}
        use = use_of(
            racks(2, 2, 2, **down),
            allocated=r_of("0", "node0", core="0-1"),
            reserved=r_of("1", "node1", core="1", gpu="0"),
            highlight=r_of("2", "node2", core="0"),
        )
        return svg_of(use)

    def test_every_vertex_has_a_box(self, shown):
        kinds = [kind for kind, _, _ in boxes_in(shown).values()]
        assert kinds.count("leaf") == 12
        assert kinds.count("inner") == 1 + 2 + 4

    @pytest.mark.parametrize(
        ("path", "states", "outlined"),
        [
            ("rack0/node0/core0", {"free", "allocated"}, False),
            ("rack0/node0/gpu0", {"free"}, False),
            ("rack0/node1/core0", {"free"}, False),
            ("rack0/node1/core1", {"free", "reserved"}, False),
            ("rack0/node1/gpu0", {"free", "reserved"}, False),
            ("rack1/node2/core0", {"free", "allocated"}, True),
            ("rack1/node2/core1", {"free"}, False),
            ("rack1/node3/core0", {"free", "down"}, False),
            ("rack1/node3/gpu0", {"free", "down"}, False),
        ],
    )
    def test_what_a_leaf_shows(self, shown, path, states, outlined):
        kind, bar, outline = boxes_in(shown)[f"/cluster0/{path}"]
        assert (kind, set(bar), outline) == ("leaf", states, outlined)
        assert len(set(bar.values())) == 1, "all of it"

    def test_what_is_said_when_pointed_at(self, shown):
        titles = [title.text for title in shown.iter(f"{SVG}title")]
        assert "/cluster0/rack0\ncore: 4 (1 free, 2 allocated, 1 reserved)\ngpu: 2 (1 free, 1 reserved)" in titles
        assert "/cluster0/rack1/node2/core0\ncore: 1 (1 allocated)\nhighlighted" in titles

    def test_a_legend_with_patterns(self, shown):
        words = [text.text for text in shown.iter(f"{SVG}text")]
        for word in ("free", "allocated", "reserved", "down", "highlighted", "core0", "node3", "rack1"):
            assert word in words
        patterns = {pattern.get("id") for pattern in shown.iter(f"{SVG}pattern")}
        assert patterns == {"machine-reserved", "machine-down"}
        fills = {rect.get("fill") for rect in shown.iter(f"{SVG}rect")}
        assert {f"url(#{name})" for name in patterns} <= fills
        assert any("Free (core): 2 of 8 (25 %)." in text for text in words)

    def test_the_same_bytes_each_time(self):
        one, two = (draw(use_of(racks(2, 2, 2)), "m").alone() for _ in range(2))
        assert one == two

    def test_nothing_is_highlighted_where_nothing_is_to_be(self):
        svg = svg_of(use_of(racks(1, 1, 1)))
        assert "highlighted" not in [text.text for text in svg.iter(f"{SVG}text")]

    def test_a_part_of_an_amount(self):
        flags = {"/cluster0/rack0/node0/core0": {"size": 10}}
        vertex = {
            "type": "core",
            "id": 0,
            "rank": 0,
            "size": 4,
            "paths": {"containment": "/cluster0/rack0/node0/core0"},
        }
        held = {"graph": {"nodes": [{"id": "0", "metadata": vertex}], "edges": []}}
        bar = boxes_in(svg_of(use_of(racks(1, 1, 1, **flags), allocated=held)))["/cluster0/rack0/node0/core0"][1]
        assert bar["allocated"] == pytest.approx(0.4 * bar["free"])


class TestLarge:
    @pytest.mark.parametrize(
        ("machine", "sums", "of"),
        [((600, 4, 1), 600, "rack"), ((100, 12, 4), 1200, "node"), ((1, 3000, 1), 375, "node")],
    )
    def test_it_is_collapsed_by_level(self, machine, sums, of):
        use = use_of(racks(*machine), allocated=r_of("0", "node0", core="0"))
        every = list(flat(boxes(use)))
        assert len(every) <= shape.MOST_BOXES
        collapsed = [box for box in every if box.kind == "sum"]
        assert (len(collapsed), {box.type for box in collapsed}) == (sums, {of})
        assert sum(box.amounts["core"].total for box in collapsed) == machine[0] * machine[1] * machine[2]
        assert [box.amounts["core"].allocated for box in collapsed].count(1) == 1

    def test_the_bar_of_a_rack(self):
        use = use_of(racks(600, 4, 4), highlight=r_of("0-1", "node[0-1]", core="0-3", gpu="0"))
        shown = boxes_in(svg_of(use))
        kind, bar, outlined = shown["/cluster0/rack0"]
        assert (kind, outlined) == ("sum", True)
        assert bar["allocated"] == pytest.approx(bar["free"] / 2)
        assert shown["/cluster0/rack1"][1:] == ({"free": bar["free"]}, False)

    def test_runs_of_siblings_say_from_where_to_where(self):
        every = list(flat(boxes(use_of(racks(1, 3000, 1)))))
        assert every[2].label == "node0 … node7"
        assert every[2].names == "/cluster0/rack0: 8 from node0 to node7"

    def test_a_deep_chain(self):
        document = {"graph": {"nodes": [], "edges": []}}
        path = ""
        for k in range(5000):
            path += "/a0"
            document["graph"]["nodes"].append(
                {
                    "id": str(k),
                    "metadata": {"type": "a", "id": 0, "rank": k, "paths": {"containment": path[-30:] + f"/a{k}"}},
                }
            )
            if k:
                document["graph"]["edges"].append({"source": str(k - 1), "target": str(k)})
        document["graph"]["nodes"][0]["metadata"]["paths"]["containment"] = "/a0"
        assert len(boxes_in(svg_of(use_of(document)))) == shape.MOST_LEVELS


@pytest.mark.parametrize("machine", [(1, 1, 1), (2, 3, 8), (20, 2, 4), (30, 20, 2), (1, 2500, 1)])
def test_boxes_are_within_each_other_and_do_not_overlap(machine):
    roots = boxes(use_of(racks(*machine)))
    height = arrange(roots, FULL)

    def check(several, width, height, top):
        for k, box in enumerate(several):
            assert box.x >= 0
            assert box.y >= top
            assert box.x + box.width <= width + 0.01
            assert box.y + box.height <= height + 0.01
            for other in several[k + 1 : k + 60]:
                apart = box.x + box.width <= other.x or other.x + other.width <= box.x
                assert apart or box.y + box.height <= other.y or other.y + other.height <= box.y
            check(box.children, box.width, box.height, 10)

    check(roots, FULL, height, 0)


class TestForeignNames:
    def test_they_are_text(self):
        path = f"/cluster0/rack0/{HOSTILE.replace('/', '')}"
        flags = {"/cluster0/rack0/node0": {"name": HOSTILE, "type": HOSTILE, "paths": {"containment": path}}}
        use = use_of(racks(1, 1, 0, gpus=0, **flags))
        figure = draw(use, HOSTILE)
        for text in (figure.alone(), page(figure, use)):
            assert "<script" not in text
            assert "\u202e" not in text
        parse(figure.alone())
        parse(page(figure, use).removeprefix("<!doctype html>"))


class TestPage:
    def test_it_is_self_contained(self):
        use = use_of(racks(2, 2, 2), allocated=r_of("0", "node0", core="0-1"))
        text = page(draw(use, "m.json"), use)
        assert text.startswith("<!doctype html>")
        assert "http" not in text
        html = parse(text.removeprefix("<!doctype html>"))
        rows = [[cell.text for cell in row] for row in html.iter("tr")]
        assert rows[0] == ["type", "total", "free", "allocated", "reserved", "down"]
        assert rows[1:] == [["core", "8", "6", "2", "0", "0"], ["gpu", "4", "4", "0", "0", "0"]]
        assert html.find("body/h1").text == "Resources of m.json"
        assert "/cluster0/rack0/node0/core0\ncore: 1 (1 allocated)" in [title.text for title in html.iter("title")]


class TestHoldings:
    def test_a_graph_with_what_is_exclusive_below_it(self):
        node = {
            "type": "node",
            "id": 1,
            "rank": 1,
            "exclusive": True,
            "paths": {"containment": "/cluster0/rack0/node1"},
        }
        top = {"type": "cluster", "id": 0, "rank": -1, "paths": {"containment": "/cluster0"}}
        graph = {
            "nodes": [{"id": "0", "metadata": top}, {"id": "1", "metadata": node}],
            "edges": [{"source": "0", "target": "1"}],
        }
        for held in ({"graph": graph}, {"version": 1, "execution": {}, "scheduling": {"graph": graph}}):
            use = use_of(racks(1, 2, 2), allocated=held)
            taken = sorted(use.machine.vertices[leaf].paths["containment"] for leaf in use.allocated)
            assert taken == [f"/cluster0/rack0/node1/{name}" for name in ("core0", "core1", "gpu0")]
        freed = {"graph": graph, "free_ranks": "1"}
        assert not use_of(racks(1, 2, 2), allocated=freed).allocated

    def test_what_is_in_other_subsystems_alone_is_not_drawn(self):
        document = racks(1, 1, 1)
        power = {"type": "power", "id": 0, "rank": -1, "paths": {"power": "/power0"}}
        document["graph"]["nodes"].append({"id": "99", "metadata": power})
        use = use_of(document, highlight=document)
        assert "Outside of the containment tree, and not drawn: 1." in draw(use, "m").caption.note
        assert len(use.highlighted) == 2

    def test_an_r_that_lists_no_children_has_the_node(self):
        assert len(use_of(racks(1, 2, 2), allocated=r_of("1", "node1")).allocated) == 3

    def test_by_name_where_there_are_no_ranks(self):
        document = racks(1, 2, 2)
        for node in document["graph"]["nodes"]:
            node["metadata"]["rank"] = -1
        use = use_of(document, allocated=r_of("7", "node1", core="1"))
        assert [use.machine.vertices[leaf].paths["containment"] for leaf in use.allocated] == [
            "/cluster0/rack0/node1/core1"
        ]

    @pytest.mark.parametrize(
        ("held", "text"),
        [
            (r_of("9", "node0", core="0"), r"rank 9 \(node0\): the machine has no such node"),
            (r_of("0", "node0", core="7"), r"rank 0 \(node0\): the machine has no core 7 there"),
            (racks(2, 1, 1), "vertex '/cluster0/rack1': the machine has no vertex with this path"),
            ({"version": 1}, "graph: expected an object"),
            ({"version": 1, "execution": {}, "scheduling": 1}, "scheduling: expected an object"),
            ({"version": 1, "execution": {"starttime": -1}}, "execution.starttime: expected seconds"),
        ],
    )
    def test_what_does_not_fit(self, held, text):
        with pytest.raises(DocumentError, match=text):
            use_of(racks(1, 2, 1), allocated=held)

    @pytest.mark.parametrize("usual", [False, True])
    def test_of_a_matcher(self, usual):
        kind = matcher_class() if usual else SlowMatcher
        matcher = kind(read_graph(json.dumps(racks(1, 2, 2))), Options())
        for operation, jobid in ((Operation.ALLOCATE, 1), (Operation.ALLOCATE_ORELSE_RESERVE, 2)):
            slot = {
                "type": "slot",
                "count": 1,
                "label": "s",
                "with": [{"type": "node", "count": 2 if jobid == 2 else 1}],
            }
            job = {"version": 1, "resources": [slot], "attributes": {"system": {"duration": 60}}}
            job["tasks"] = [{"command": ["a"], "slot": "s", "count": {"per_slot": 1}}]
            assert matcher.match(operation, compile_jobspec(json.dumps(job), matcher.types), jobid).taken
        use = Use.of(matcher)
        (root,) = boxes(use)
        assert (root.amounts["core"].allocated, root.amounts["core"].reserved) == (2, 2)

    def test_no_tree(self):
        with pytest.raises(DocumentError, match="no containment tree"):
            use_of({"graph": {"nodes": [], "edges": []}})


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (json.dumps(racks(1, 1, 1)), "jgf"),
        (json.dumps({"a": 1, **racks(1, 1, 1)}), "jgf"),
        (json.dumps(r_of("0", "a", core="0")), "rv1exec"),
        ("\ufeff <?xml version='1.0'?>\n<graphml>", "grug"),
        ("<topology version='2.0'>", "hwloc"),
    ],
)
def test_the_format_is_told_from_the_text(text, form):
    assert guess_format(text) == form


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", "x", "[" * 100000])
def test_what_has_no_format(text):
    with pytest.raises(GraphReadError):
        guess_format(text)
