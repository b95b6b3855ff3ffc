"""ReapiCli over either matcher: the requirements' example, every call, and that a failure changes nothing."""

import json

import pytest
from fluxplug_pool_graph import matchers
from fluxplug_pool_graph.reapi import NO_JOB, GraphReapi
from slow import SlowMatcher

from fluxplug.errors import PluginError
from fluxplug.reapi import ReapiCli, ReapiError


def vertex(number, kind, name, path, **more):
    data = {"type": kind, "basename": name.rstrip("0123456789"), "name": name, "id": int(name[-1]), "uniq_id": number}
    data |= {"rank": -1, "exclusive": False, "size": 1, "paths": {"containment": path}} | more
    return {"id": str(number), "metadata": data}


def edge(source, target):
    return {"source": str(source), "target": str(target), "metadata": {"subsystem": "containment"}}


TINY = json.dumps(
    {
        "graph": {
            "nodes": [
                vertex(0, "cluster", "tiny0", "/tiny0"),
                vertex(1, "rack", "rack0", "/tiny0/rack0"),
                vertex(2, "node", "node0", "/tiny0/rack0/node0"),
                vertex(3, "core", "core0", "/tiny0/rack0/node0/core0"),
            ],
            "edges": [edge(0, 1), edge(1, 2), edge(2, 3)],
        }
    }
)
OPTIONS = json.dumps({"load_format": "jgf", "prune_filters": "ALL:core", "subsystems": "containment", "policy": "high"})
R = json.dumps(
    {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}],
            "nodelist": ["n[0-1]"],
            "starttime": 0,
            "expiration": 0,
        },
    }
)


def job(duration=3600, system=None, **slot):
    return json.dumps(
        {
            "version": 9999,
            "resources": [
                {"type": "slot", "count": 1, "label": "default", "with": [{"type": "core", "count": 1} | slot]}
            ],
            "attributes": {"system": {"duration": duration} | (system or {})},
            "tasks": [{"command": ["app"], "slot": "default", "count": {"per_slot": 1}}],
        }
    )


def nodes(count):
    return job(type="node", count=count, **{"with": [{"type": "core", "count": 4}]})


def name_of(node):
    return node["metadata"]["paths"]["containment"].rpartition("/")[2]


@pytest.fixture(params=["slow", "usual"])
def make(request, monkeypatch):
    """A ReapiCli with a graph, as users make it: over the registered class, with either matcher."""
    matcher = SlowMatcher if request.param == "slow" else matchers.matcher_class()
    monkeypatch.setattr("fluxplug_pool_graph.reapi.matcher_class", lambda: matcher)

    def initialized(graph=TINY, options=OPTIONS):
        cli = ReapiCli()
        cli.initialize(graph, options)
        return cli

    return initialized


@pytest.fixture
def tiny(make):
    return make()


@pytest.fixture
def two(make):
    """Two nodes of four cores."""
    return make(R, '{"load_format": "rv1exec", "match_format": "rv1_nosched", "policy": "low"}')


def test_the_example_of_the_requirements(tiny):
    assert isinstance(tiny, GraphReapi)
    jobid, reserved, text, at, overhead = tiny.match(job(), orelse_reserve=False)
    assert (jobid, reserved, at) == (1, False, 0)
    assert overhead >= 0
    graph = json.loads(text)["graph"]
    assert {name_of(node) for node in graph["nodes"]} == {"tiny0", "rack0", "node0", "core0"}
    assert tiny.info(jobid) == ("ALLOCATED", False, 0, overhead)
    assert tiny.match(job())[:4] == (2, False, "", 0), "no match is no error"
    tiny.cancel(jobid)
    assert tiny.info(jobid)[:3] == ("CANCELED", False, 0)
    with pytest.raises(ReapiError, match="there is no job 1 any more"):
        tiny.partial_cancel(jobid, '{"rank": 0, "children": ...}')
    jobid, _, text, _, _ = tiny.match(job())
    with pytest.raises(ReapiError, match="partial_cancel: line 1 column 25: not JSON"):
        tiny.partial_cancel(jobid, '{"rank": 0, "children": ...}')
    held = [node for node in json.loads(text)["graph"]["nodes"] if node["metadata"].get("exclusive")]
    assert tiny.partial_cancel(jobid, json.dumps({"graph": {"nodes": held, "edges": []}})) is True
    assert tiny.info(jobid)[0] == "CANCELED"
    assert tiny.match(job())[2]


class TestInitialize:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ('{"load_formt": "jgf"}', "there is no option 'load_formt'; did you mean 'load_format'?"),
            ('{"load_file": "x"}', "there is no option 'load_file'"),
            ('{"load_format": "json"}', "load_format: no 'json'"),
            ('{"load_format": 1}', "load_format: expected a string"),
            ('{"match_format": "xml"}', "match_format: no 'xml'"),
            ('{"policy": "best"}', "'best'"),
            ('{"policy": "high", "matcher_policy": "low"}', "are the same option"),
            ('{"load-format": "jgf", "load_format": "jgf"}', "are the same option"),
            ('{"subsystems": "containement"}', "there is no subsystem 'containement'; did you mean 'containment'?"),
            ('{"subsystems": ""}', "expected one or more"),
            ('{"subsystems": "power,power"}', "each once"),
            ('{"matcher_name": "XX"}', "there is no subsystem 'XX'"),
            ('{"traverser_policy": "quick"}', "traverser_policy: no 'quick'"),
            ('{"prune_filters": "core"}', "'core' is not HIGH:LOW"),
            ('{"reserve_vtx_vec": "many"}', "expected a number"),
            ('{"elapse_time": 1}', "expected true or false"),
            ("[]", "expected a JSON object"),
            ("{", "not JSON"),
        ],
    )
    def test_wrong_options(self, tiny, options, text):
        with pytest.raises(ReapiError) as caught:
            tiny.initialize(TINY, options)
        assert str(caught.value).startswith("initialize: ")
        assert text in str(caught.value)
        assert tiny.match(job())[2], "the graph of before is still there"

    def test_an_unknown_option_lists_those_there_are(self, tiny):
        with pytest.raises(
            ReapiError, match=r"options: elapse_time, load_allowlist, load_format, match_format, .*policy"
        ):
            tiny.initialize(TINY, '{"zzzzzzzz": 1}')

    def test_all_options_at_once(self, make):
        options = {"load-format": "jgf", "load_allowlist": "core,node", "matcher_name": "CA", "match-policy": "lonode"}
        options |= {"traverser": "flexible", "match_format": "simple", "prune-filters": " ", "reserve_vtx_vec": 9}
        assert make(options=json.dumps({**options, "elapse_time": True})).match(job())[2].endswith("tiny0[1:s]\n")

    @pytest.mark.parametrize("graph", ["", "{}", '{"graph": {"nodes": [], "edges": []}}', "<a/>", b"\xff"])
    def test_what_is_no_graph(self, make, graph):
        with pytest.raises(ReapiError, match=r"^initialize: "):
            make(graph)

    def test_again(self, tiny):
        tiny.match(job())
        tiny.initialize(TINY, OPTIONS)
        assert tiny.match(job())[0] == 1
        with pytest.raises(ReapiError):
            tiny.info(2)

    def test_before_it_nothing_works(self):
        cli = GraphReapi(SlowMatcher)
        calls = [("match", job()), ("match_satisfy", job()), ("update_allocate", 1, R), ("info", 1), ("cancel", 1)]
        calls += [("partial_cancel", 1, R), ("find", "status=up"), ("set_status", "/tiny0", "up")]
        for call, *given in [*calls, ("get_status", "/tiny0"), ("stat",)]:
            with pytest.raises(ReapiError, match=f"^{call}: no graph is loaded; call initialize first"):
                getattr(cli, call)(*given)

    def test_without_the_matcher_in_c(self, monkeypatch):
        def missing(name):
            raise ImportError(name)

        monkeypatch.setattr(matchers.importlib, "import_module", missing)
        with pytest.raises(
            PluginError, match=r"cannot be loaded \(fluxplug_pool_graph.native\); install fluxplug-graph"
        ):
            matchers.matcher_class()


class TestMatch:
    def test_a_reservation(self, two):
        assert two.match(nodes(2))[0] == 1
        jobid, reserved, text, at, _ = two.match(nodes(1), orelse_reserve=True)
        assert (jobid, reserved, at) == (2, True, 3600)
        assert json.loads(text)["execution"]["starttime"] == 3600
        assert two.info(2)[:3] == ("RESERVED", True, 3600)
        two.cancel(2)
        assert two.info(2)[:3] == ("CANCELED", False, 3600)

    @pytest.mark.parametrize("operation", [None, "allocate", "allocate_with_satisfiability", "allocate_orelse_reserve"])
    def test_never(self, two, operation):
        assert two.match(nodes(3), operation=operation)[:4] == (1, False, "", 0)
        assert two.match(nodes(1))[0] == 2

    def test_without_allocating(self, two):
        jobid, reserved, text, at, _ = two.match(nodes(2), operation="without_allocating")
        assert (jobid, reserved, at) == (NO_JOB, False, 0)
        assert text
        assert two.match(nodes(2))[0] == 1
        assert two.match(nodes(2), operation="without_allocating")[:4] == (NO_JOB, False, "", 0)
        assert two.match(nodes(2), operation="without_allocating_future")[1::2] == (True, 3600)
        assert two.match(nodes(2), operation="allocate")[0] == 2

    def test_satisfiability(self, two):
        two.match(nodes(2))
        assert two.match_satisfy(nodes(2))[0] is True
        assert two.match_satisfy(nodes(3))[0] is False
        assert two.match(nodes(2), operation="satisfiability")[:4] == (2, False, "", 0)
        assert two.match(nodes(3), operation="satisfiability")[:4] == (0, False, "", 0)

    @pytest.mark.parametrize(
        "jobspec",
        ["", "x", "{}", "[1", "version: 1", job(type="nonsense"), job(duration=-1), job(duration=10**12)],
    )
    def test_what_is_no_jobspec(self, two, jobspec):
        for call in (two.match, two.match_satisfy):
            with pytest.raises(ReapiError, match=r"^match"):
                call(jobspec)
        assert two.match(nodes(1))[0] == 1, "no id was used up"

    def test_no_such_operation(self, two):
        with pytest.raises(ReapiError, match="no operation 'reserve'; there are allocate, "):
            two.match(nodes(1), operation="reserve")

    def test_later_times_need_a_filter_at_the_root(self, make):
        cli = make(R, '{"load_format": "rv1exec", "prune_filters": "node:core"}')
        cli.match(nodes(2))
        with pytest.raises(ReapiError, match=r"^match: .*filter"):
            cli.match(nodes(2), orelse_reserve=True)

    def test_a_result_that_cannot_be_written_is_given_back(self, make):
        cli = make(TINY, '{"load_format": "jgf", "match_format": "rlite", "policy": "low"}')
        with pytest.raises(ReapiError, match="cannot be written as rlite"):
            cli.match(job(), orelse_reserve=False)
        assert cli.find("sched-now=allocated", "simple") == ""

    def test_outputs_stand_alone(self, make):
        cli = make(R, '{"load_format": "rv1exec", "match_format": "rv1"}')
        first = json.loads(cli.match(job(system={"queue": "debug"}))[2])
        assert first["attributes"] == {"system": {"scheduler": {"queue": "debug"}}}
        assert "attributes" not in json.loads(cli.match(job())[2])


class TestRelease:
    def test_cancel(self, two):
        two.match(nodes(2))
        two.cancel(1)
        with pytest.raises(ReapiError, match="cancel: there is no job 1 any more"):
            two.cancel(1)
        two.cancel(1, noent_ok=True)
        with pytest.raises(ReapiError, match=r"cancel: there is no job 7$"):
            two.cancel(7)
        two.cancel(7, True)
        assert two.match(nodes(2))[2]

    def test_ranks_one_after_the_other(self, two):
        held = json.loads(two.match(nodes(2))[2])
        held["execution"]["R_lite"][0]["rank"] = "1"
        held["execution"]["nodelist"] = ["n1"]
        assert two.partial_cancel(1, json.dumps(held)) is False
        assert two.info(1)[0] == "ALLOCATED"
        assert two.match(nodes(1))[2]
        with pytest.raises(ReapiError, match="job 1 holds nothing of rank 1"):
            two.partial_cancel(1, json.dumps(held))

    def test_a_graph_within_an_r(self, make):
        cli = make(R, '{"load_format": "rv1exec", "match_format": "rv1", "policy": "low"}')
        held = json.loads(cli.match(job())[2])
        graph = held["scheduling"]["graph"]
        graph["nodes"] = [node for node in graph["nodes"] if node["metadata"]["type"] == "core"]
        graph["edges"] = []
        for writer in ("other:jgf", 1):
            held["scheduling"]["writer"] = writer
            with pytest.raises(ReapiError, match=r"partial_cancel: scheduling.writer: expected one of fluxion"):
                cli.partial_cancel(1, json.dumps(held))
        held["scheduling"]["writer"] = "fluxion:jgf"
        assert cli.partial_cancel(1, json.dumps(held)) is True

    def test_vertices_that_it_does_not_hold(self, tiny):
        jobid, _, text, _, _ = tiny.match(job())
        with pytest.raises(ReapiError, match=f"not held exclusively by job {jobid}"):
            tiny.partial_cancel(jobid, text)

    def test_reservations_and_strangers(self, two):
        two.match(nodes(2))
        two.match(nodes(2), orelse_reserve=True)
        with pytest.raises(ReapiError, match="job 2 is a reservation"):
            two.partial_cancel(2, R)
        with pytest.raises(ReapiError, match="there is no job 3"):
            two.partial_cancel(3, R)
        assert two.partial_cancel(3, R, noent_ok=True) is False


class TestUpdate:
    def held(self, start=0, end=0, ranks="0"):
        document = json.loads(R)
        document["execution"]["R_lite"][0]["rank"] = ranks
        document["execution"]["nodelist"] = [f"n{ranks}"]
        document["execution"] |= {"starttime": start, "expiration": end}
        return json.dumps(document)

    def test_what_a_job_of_before_holds(self, two):
        jobid, reserved, text, at, _ = two.update_allocate(7, self.held())
        assert (jobid, reserved, at) == (7, False, 0)
        assert json.loads(text)["execution"]["R_lite"][0]["rank"] == "0"
        assert two.info(7)[0] == "ALLOCATED"
        assert two.match(nodes(2))[:3] == (8, False, "")
        assert two.match(nodes(1))[0] == 9
        two.cancel(7)
        assert two.match(nodes(1))[2]

    def test_from_when_to_when(self, two):
        assert two.update_allocate(1, self.held(100, 200))[1::2] == (True, 100)
        assert two.info(1)[0] == "RESERVED"
        assert two.match(nodes(2), orelse_reserve=True)[3] == 200

    def test_its_own_output(self, tiny):
        text = tiny.match(job())[2]
        tiny.cancel(1)
        assert tiny.update_allocate(5, text)[:2] == (5, False)
        assert tiny.match(job())[2] == ""

    @pytest.mark.parametrize(
        ("jobid", "given", "text"),
        [
            (1, (0, 0, "1"), "job 1 is known already"),
            (2, (0, 0, "0"), "is unavailable"),
            (2, (0, 0, "5"), "couldn't find vertex"),
            (2, (200, 100, "1"), "is no time within"),
            (2, (0, 4 * 10**9, "1"), "is no time within"),
            (2, (-1, 0, "1"), "starttime"),
            (2, ("a", 0, "1"), "starttime"),
            (-1, (0, 0, "1"), "a job id is a number"),
            (True, (0, 0, "1"), "a job id is a number"),
            (2**63, (0, 0, "1"), "a job id is a number"),
        ],
    )
    def test_what_does_not_go(self, two, jobid, given, text):
        two.update_allocate(1, self.held())
        with pytest.raises(ReapiError, match=f"^update_allocate: .*{text}"):
            two.update_allocate(jobid, self.held(*given))
        assert two.match(nodes(1))[0] == 2


class TestTheRest:
    def test_find(self, two):
        assert two.find("sched-now=allocated") == ""
        two.match(job())
        found = two.find("sched-now=allocated", "jgf")
        assert " " not in found
        assert name_of(json.loads(found)["graph"]["nodes"][0]) == "core0"
        assert "core0[1:x]" in two.find("jobid-alloc=1", "simple")
        with pytest.raises(ReapiError, match=r"^find: "):
            two.find("status=odd")
        with pytest.raises(ReapiError, match="no match format 'xml'; there are simple"):
            two.find("status=up", "xml")

    def test_status(self, two):
        assert two.get_status("/cluster0/n0") == "up"
        two.set_status("/cluster0/n0", "down")
        assert two.get_status("/cluster0/n0") == "down"
        assert two.match(nodes(2))[2] == ""
        assert two.match_satisfy(nodes(2))[0] is True
        two.set_status("/cluster0/n0", "up")
        assert two.match(nodes(2))[2]
        with pytest.raises(ReapiError, match="the status is up or down, not 'UP'"):
            two.set_status("/cluster0/n0", "UP")
        for call, *given in (("set_status", "/n0", "up"), ("get_status", "/n0")):
            with pytest.raises(ReapiError, match=f"{call}: there is no vertex with the path '/n0'"):
                getattr(two, call)(*given)

    def test_stat(self, two):
        assert two.stat()["jobs"] == two.stat()["max_match"] == 0
        two.match(nodes(1))
        found = two.stat()
        assert (found["vertices"], found["edges"], found["jobs"]) == (11, 10, 1)
        assert 0 < found["min_match"] <= found["avg_match"] <= found["max_match"]
        assert found["load"] > 0

    def test_unknown_jobs(self, two):
        with pytest.raises(ReapiError, match="info: there is no job 1"):
            two.info(1)
