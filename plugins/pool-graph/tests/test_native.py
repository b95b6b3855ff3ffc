"""The matcher in C does what the slow one does: every field of every result, after every step, on random machines and requests.

FLUXPLUG_SLOW=1 tries many more.
"""

import os

import pytest
from attrs import asdict
from fluxplug_pool_graph.constraint import Constraint
from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.expression import parse_expression
from fluxplug_pool_graph.filters import parse_filters
from fluxplug_pool_graph.jobspec import Count, Request, Resource
from fluxplug_pool_graph.matcher import Hold, MatcherError, Operation, Options, Outcome, Verdict
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.policies import POLICIES, Policy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from slow import SlowMatcher
from slow.planner import RefusedError

from fluxplug.values.idset import IDset

EXAMPLES = 3000 if os.environ.get("FLUXPLUG_SLOW") else 150
FILTERS = (
    "ALL:core,ALL:node",
    "ALL:core",
    "cluster:core,node:gpu,ALL:node",
    "ALL:memory,rack:core,cluster:node",
    "x:y",
)
EXTRA = Policy("low", node_centric=True, stop_early=True)


@st.composite
def machines(draw):
    """A cluster of racks, nodes, sockets; memory pools and GPUs beside cores; power over some nodes; ids that repeat or not."""
    made = Description([Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})], types=["memory", "pdu"])
    number = st.integers(0, 3)
    flat = draw(st.booleans())
    scattered = draw(st.booleans())
    power = draw(st.booleans())

    def add(parent, kind, id_, rank=-1, size=1):
        v = len(made.vertices)
        path = f"{made.vertices[parent].paths['containment']}/{kind}{id_}"
        properties = {"perf_class": str(draw(number)), "big": ""} if kind == "node" and draw(st.booleans()) else {}
        uniq = (v * 7 + 3) % 101 + 101 * v if scattered else v
        made.vertices.append(
            Vertex(
                kind, kind, f"{kind}{id_}", id_, uniq, rank, size, paths={"containment": path}, properties=properties
            )
        )
        made.edges.append(Edge(parent, v))
        return v

    nodes = draw(st.integers(1, 5))
    racks = [0] if flat else [add(0, "rack", r) for r in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        nodes += 14  # more than 16 candidates, so that the sort shows
    cores, sockets = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    odd = draw(st.sets(st.integers(0, nodes - 1), max_size=2))
    for rank in range(nodes):
        node = add(racks[rank % len(racks)], "node", rank, rank)
        for socket in range(max(1, sockets)):
            place = add(node, "socket", socket, rank) if sockets else node
            for core in range(cores + (rank in odd)):
                add(place, "core", socket * cores + core, rank)
            if rank % 2 == 0:
                add(place, "gpu", socket, rank)
            if rank in odd or draw(st.booleans()):
                add(place, "memory", socket, rank, draw(st.integers(1, 4)))
    if len(racks) > 1 and draw(st.booleans()):  # a node in two racks
        made.edges.append(Edge(racks[-1], next(edge.target for edge in made.edges if edge.source == racks[0])))
    if power:
        pdu = len(made.vertices)
        made.vertices.append(Vertex("pdu", "pdu", "pdu0", 0, 100000, size=4, paths={"power": "/pdu0"}))
        for v, vertex in enumerate(made.vertices):
            if vertex.type == "node":
                vertex.paths["power"] = f"/pdu0/{vertex.name}"
                made.edges.append(Edge(pdu, v, "power"))
    return made


COUNTS = st.one_of(
    st.integers(1, 3).map(lambda n: Count(n, n)),
    st.integers(1, 2).map(lambda n: Count(n, 2**32 - 1)),
    st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(1, 2)).map(lambda t: Count(t[0], t[1], "+", t[2])),
    st.sampled_from([Count(1, 8, "*", 2), Count(2, 16, "^", 2), Count(0, 0)]),
)
BELOW = {
    "cluster": "rack node slot",
    "rack": "node slot",
    "node": "socket slot core gpu",
    "socket": "core slot gpu memory",
}
INSIDE = "node socket core gpu memory"


@st.composite
def entries(draw, kinds, depth, *, slotted=False):
    kind = draw(st.sampled_from(kinds.split()))
    children = ()
    if kind == "slot":
        children = draw(lists_of(INSIDE, depth - 1, slotted=True, least=1))
    elif depth and kind in BELOW:
        below = BELOW[kind].replace("slot", "") if slotted else BELOW[kind]
        children = draw(lists_of(below, depth - 1, slotted=slotted, least=0))
    exclusive = draw(st.sampled_from([None, None, None, None, True, False]))
    label = draw(st.sampled_from(["", "here"])) if kind != "slot" else "s"
    return Resource(kind, draw(COUNTS), exclusive, label, children)


def lists_of(kinds, depth, *, slotted=False, least=1):
    return st.lists(entries(kinds, max(0, depth), slotted=slotted), min_size=least, max_size=2).map(tuple)


def plain(kind, n=1, *children):
    return Resource(kind, Count(n, n), label="s" if kind.endswith("slot") else "", children=children)


USUAL = st.sampled_from(
    [
        (plain("slot", 1, plain("core")),),
        (plain("slot", 2, plain("core", 2)),),
        (plain("slot", 1, plain("node")),),
        (plain("slot", 2, plain("node")),),
        (plain("slot", 3, plain("node", 2)),),
        (plain("node", 1, plain("slot", 1, plain("socket", 1, plain("core")))),),
        (plain("node", 2, plain("slot", 1, plain("socket", 1, plain("core"), plain("gpu")))),),
        (plain("rack", 1, plain("node", 1, plain("slot", 1, plain("core")))),),
        (plain("slot", 1, plain("core"), plain("memory", 2)),),
        (plain("slot", 1, plain("core")), plain("slot", 1, plain("gpu"))),
        (plain("xor_slot", 1, plain("core", 2)), plain("xor_slot", 1, plain("gpu"))),
        (plain("slot", 3, plain("core", 2)), plain("slot", 2, plain("core"), plain("gpu"))),
    ]
)
CONSTRAINTS = st.sampled_from(
    [
        None,
        None,
        None,
        Constraint("properties", names=frozenset({"big"})),
        Constraint("not", operands=(Constraint("ranks", ranks=IDset("0")),)),
        Constraint("hostlist", names=frozenset({"node1", "node2"})),
    ]
)
REQUESTS = st.builds(
    Request,
    st.one_of(USUAL, USUAL, lists_of("cluster rack node socket slot core", 3)),
    st.sampled_from([0, 1, 2, 5, 7.5, -1]),
    CONSTRAINTS,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("match"), st.sampled_from(list(Operation)), REQUESTS, st.integers(1, 4)),
        st.tuples(st.just("match"), st.just(Operation.ALLOCATE_ORELSE_RESERVE), REQUESTS, st.integers(1, 4)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("status"), st.integers(0, 60), st.booleans()),
        st.tuples(st.just("property"), st.integers(0, 60)),
        st.tuples(st.just("ranks"), st.integers(0, 20), st.integers(0, 6)),
        st.tuples(st.just("listed"), st.integers(0, 20), st.integers(0, 20)),
        st.tuples(st.just("update"), st.integers(0, 60), st.integers(0, 3), st.sampled_from(["jgf", "jgf_shorthand"])),
        st.tuples(st.just("remove"), st.integers(1, 60)),
        st.tuples(st.just("drop"), st.integers(0, 6)),
        st.tuples(st.just("attach"), st.integers(0, 60), st.sampled_from(["core", "gpu", "fpga", "node"])),
    ),
    min_size=3,
    max_size=14,
)


class Both:
    """Two matchers over the same machine, and the jobs that they know."""

    def __init__(self, description, options):
        self.slow = SlowMatcher(copied(description), options)
        self.fast = CMatcher(copied(description), options)
        self.taken = {}

    def ask(self, step):
        """The same question to both: a result each, or the error."""
        answers = []
        for one in (self.slow, self.fast):
            try:
                answers.append(step(one))
            except MatcherError as exc:
                answers.append(str(exc))
        return answers

    def vertices(self):
        return self.slow.description.vertices

    def present(self, place):
        return self.fast.present[place % len(self.fast.present)]

    def job(self, place):
        """A job that holds something; 0 if there is none there."""
        return next(iter(sorted(self.taken)[place : place + 1]), 0)

    def step(self, step, jobid):
        what, *rest = step
        if what == "match":
            operation, request, times = rest
            for number in range(times):
                slow, fast = self.ask(lambda one, n=number: one.match(operation, request, 10 * jobid + n))
                assert shown(fast) == shown(slow)
                if isinstance(slow, Outcome) and slow.verdict is Verdict.DONE and operation.commits:
                    self.taken[10 * jobid + number] = slow.taken
            return None
        return getattr(self, f"_{what}")(jobid, *rest)

    def _cancel(self, _, place):
        job = self.job(place)
        self.taken.pop(job, None)
        return self.ask(lambda one: one.cancel(job))

    def _status(self, _, place, up):
        return self.ask(lambda one: one.set_status(self.present(place), up=up))

    def _property(self, _, place):
        return self.ask(lambda one: one.set_property(self.present(place), "big", "x"))

    def _ranks(self, _, place, rank):
        document = Description([Vertex("node", "n", "n", 0, 0, rank)])
        job = self.job(place)
        return self.ask(lambda one: one.partial_cancel(document, "rv1exec", job)) if job else None

    def _listed(self, _, place, which):
        job = self.job(place)
        taken = [one for one in self.taken.get(job, ()) if one.exclusive]
        document = Description([self.vertices()[one.vertex] for one in taken[: which + 1]])
        return self.ask(lambda one: one.partial_cancel(document, "jgf", job)) if job else None

    def _update(self, jobid, place, start, form):
        """The way from the root to a vertex, which is taken exclusively."""
        v = self.present(place)
        path = self.vertices()[v].paths.get("containment", "/")
        on = [
            u
            for u in self.fast.present
            if f"{path}/".startswith(self.vertices()[u].paths.get("containment", "-") + "/")
        ]
        on.sort(key=lambda u: len(self.vertices()[u].paths["containment"]))
        listed = [copied_vertex(self.vertices()[u], exclusive=u == v) for u in on]
        edges = [Edge(k, k + 1) for k in range(len(listed) - 1)]
        document = Description(listed, edges)
        hold = Hold(10 * jobid, 5 * start, 4)
        return self.ask(lambda one: one.update(document, form, hold))

    def _remove(self, _, place):
        path = self.vertices()[self.present(place)].paths.get("containment", "/")
        return self.ask(lambda one: one.remove_path(path))

    def _drop(self, _, rank):
        return self.ask(lambda one: one.remove_ranks([rank]))

    def _attach(self, jobid, place, kind):
        parent = self.vertices()[self.present(place)]
        if "containment" not in parent.paths:
            return None
        path = f"{parent.paths['containment']}/{kind}{90 + jobid}"
        vertex = Vertex(
            kind, kind, f"{kind}{90 + jobid}", 90 + jobid, 5000 + jobid, 40 + jobid, paths={"containment": path}
        )
        document = Description([copied_vertex(parent), vertex], [Edge(0, 1)], [kind])
        return self.ask(
            lambda one: one.attach(Description([*map(copied_vertex, document.vertices)], document.edges, [kind]))
        )


def copied_vertex(vertex, **more):
    return Vertex(**{**asdict(vertex), **more})


def copied(description):
    return Description(
        [copied_vertex(v) for v in description.vertices], list(description.edges), list(description.types)
    )


def shown(answer):
    """An outcome as plain values, so that a difference is readable."""
    return asdict(answer) if isinstance(answer, Outcome) else answer


FINDS = [
    *("status=down", "sched-now=allocated or sched-future=reserved", "agfilter=true", "property=big and status=up"),
    *("jobid-alloc=10", "jobid-tag=20 or jobid-span=10", "agfilter=true jobid-tag=10", "names=node[0-2]"),
]


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    machines(),
    st.sampled_from([*POLICIES.values(), EXTRA]),
    st.sampled_from(FILTERS),
    st.tuples(st.sampled_from([False, False, True]), st.sampled_from([False, False, False, True])),
    STEPS,
)
def test_both_do_the_same(description, policy, filters, switches, steps):
    flexible, by_power = switches
    power = any("power" in vertex.paths for vertex in description.vertices)
    subsystems = ("containment", "power") if power else ("containment",)
    subsystems = subsystems[::-1] if by_power else subsystems
    both = Both(description, Options(policy, parse_filters(filters), subsystems, flexible))
    for jobid, step in enumerate(steps, 1):
        try:
            answers = both.step(step, jobid)
        except RefusedError:  # the slow one has no way back from a booking that is refused
            return
        if answers is not None:
            slow, fast = answers
            assert shown(fast) == shown(slow), step
            if step[0] == "update" and isinstance(slow, Outcome) and slow.verdict is Verdict.DONE:
                both.taken[10 * jobid] = slow.taken
    for text in FINDS:
        slow, fast = both.ask(lambda one, t=text: one.find(parse_expression(t)))
        assert fast == slow, text
    assert dict(both.fast.types) == both.slow.types


def test_from_a_graph_in_c():
    description = Description(
        [
            Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"}),
            Vertex("node", "node", "node0", 0, 1, 0, paths={"containment": "/c0/node0"}),
        ],
        [Edge(0, 1)],
    )
    for filters in ("ALL:node", "ALL:gpu,ALL:unknown"):
        options = Options(POLICIES["low"], parse_filters(filters))
        over = CMatcher(Graph.from_description(description), options)
        outcome = over.match(Operation.ALLOCATE, Request((plain("slot", 1, plain("node")),)), 1)
        assert [one.vertex for one in outcome.taken] == [1, 0]
        assert over.vertex_at("/c0/node0") == 1
        assert over.description.vertices[1].name == "node0"


def test_what_is_no_machine():
    description = Description([Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})])
    with pytest.raises(MatcherError, match="traverser"):
        CMatcher(description, Options(subsystems=("power",)))
    with pytest.raises(MatcherError):
        CMatcher(Description([*description.vertices, *description.vertices]), Options())


def small():
    """Two nodes of two cores."""
    made = Description([Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})])
    for rank in range(2):
        node = len(made.vertices)
        path = f"/c0/node{rank}"
        made.vertices.append(Vertex("node", "node", f"node{rank}", rank, node, rank, paths={"containment": path}))
        made.edges.append(Edge(0, node))
        for core in range(2):
            made.edges.append(Edge(node, len(made.vertices)))
            paths = {"containment": f"{path}/core{core}"}
            made.vertices.append(Vertex("core", "core", f"core{core}", core, node + 1 + core, rank, paths=paths))
    return made


@pytest.mark.parametrize("quick", [False, True])
def test_what_is_taken_whole_and_not_all_free_takes_nothing(quick):
    over = CMatcher(small(), Options(POLICIES["low"]))
    request = Request((plain("slot", 1, plain("core")),), 10)
    assert over.match(Operation.ALLOCATE, request, 1, quick=quick).verdict is Verdict.DONE
    for operation in (Operation.ALLOCATE, Operation.ALLOCATE_ORELSE_RESERVE):
        second = Request((plain("slot", 3, plain("core")),), 10)
        assert over.match(operation, second, 2, {"node"}, quick=quick).verdict is Verdict.BUSY
    assert over.core.jobs() == [1]
    assert over.cancel(1).full
    outcome = over.match(Operation.ALLOCATE, request, 3, {"node"}, quick=quick)
    assert [one.vertex for one in outcome.taken] == [2, 3, 1, 0]


@pytest.mark.parametrize("made", [small, lambda: Graph.from_description(small())])
def test_requests_are_compiled_anew_when_properties_change(made):
    over = CMatcher(made(), Options(POLICIES["low"]))
    fast = Constraint("properties", names=frozenset({"fast"}))
    request = Request((plain("slot", 1, plain("node")),), 10, fast)
    assert over.match(Operation.ALLOCATE, request, 1).verdict is Verdict.BUSY
    over.set_property(4, "fast", "")
    assert over.match(Operation.ALLOCATE, request, 1).taken[0].vertex == 4


def test_job_ids_have_64_bits():
    over = CMatcher(small(), Options())
    with pytest.raises(MatcherError, match="out of range"):
        over.match(Operation.ALLOCATE, Request((plain("slot", 1, plain("core")),)), 2**63)
    assert over.update(small(), "jgf", Hold(2**64, 0, 1)).verdict is Verdict.INVALID
    assert over.find(parse_expression("jobid-tag=18446744073709551615")) == []
