"""Quick matches of the matcher in C take what whole walks take, where no two candidates have equal scores.

FLUXPLUG_SLOW=1 tries many more.
"""

import os

from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.filters import parse_filters
from fluxplug_pool_graph.jobspec import Count, Request, Resource
from fluxplug_pool_graph.matcher import Operation, Options, Verdict
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.policies import POLICIES
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = 5000 if os.environ.get("FLUXPLUG_SLOW") else 300
BY_ID = ["high", "low", "hinode", "lonode", "hinodex", "lonodex"]


def machine(racks, nodes, cores, numbers):
    """Ids that differ within a type, in any order."""
    made = Description([Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})])

    def add(parent, kind, rank):
        v = len(made.vertices)
        id_ = numbers[v % len(numbers)] * 100 + v
        path = f"{made.vertices[parent].paths['containment']}/{kind}{id_}"
        made.vertices.append(Vertex(kind, kind, f"{kind}{id_}", id_, v, rank, paths={"containment": path}))
        made.edges.append(Edge(parent, v))
        return v

    for rack in range(racks):
        above = add(0, "rack", -1)
        for number in range(nodes):
            node = add(above, "node", rack * nodes + number)
            for _ in range(cores):
                add(node, "core", rack * nodes + number)
    return made


def entry(kind, count, *children, **more):
    return Resource(kind, Count(count, count), children=children, **more)


def slot(count, *children):
    return entry("slot", count, *children, label="s")


SHAPES = [
    (slot(1, entry("core", 1)),),
    (slot(3, entry("core", 1)),),
    (slot(1, entry("node", 1)),),
    (slot(4, entry("node", 1)),),
    (slot(1, entry("node", 1, entry("core", 2))),),
    (entry("node", 1, slot(1, entry("core", 1))),),
    (entry("node", 2, slot(1, entry("core", 2))),),
    (entry("node", 1, slot(1, entry("core", 1)), exclusive=True),),
    (entry("rack", 1, entry("node", 1, slot(1, entry("core", 1)))),),
    (slot(1, entry("rack", 1)),),
    (slot(1, entry("core", 2)),),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("match"), st.sampled_from(list(Operation)), st.sampled_from(SHAPES), st.integers(1, 9)),
        st.tuples(st.just("match"), st.just(Operation.ALLOCATE), st.sampled_from(SHAPES), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("status"), st.integers(0, 60), st.booleans()),
        st.tuples(st.just("rank"), st.integers(0, 30), st.integers(0, 5)),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(
    st.builds(machine, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.permutations(range(7))),
    st.sampled_from(BY_ID),
    st.sampled_from(["ALL:core,ALL:node", "ALL:node", "cluster:rack"]),
    STEPS,
)
def test_the_same_is_taken(description, policy, filters, steps):
    options = Options(POLICIES[policy], parse_filters(filters))
    whole, quick = CMatcher(description, options), CMatcher(description, options)
    jobs = []
    for jobid, (what, *rest) in enumerate(steps, 1):
        if what == "match":
            operation, resources, duration = rest
            request = Request(resources, duration)
            first = whole.match(operation, request, jobid)
            second = quick.match(operation, request, jobid, quick=True)
            shown = [(one.verdict, one.at, one.duration, one.taken) for one in (first, second)]
            assert shown[0] == shown[1]
            assert second.visits is None
            if first.verdict is Verdict.DONE and operation.commits:
                jobs.append(jobid)
        elif what == "status":
            for one in (whole, quick):
                one.set_status(rest[0] % len(description.vertices), up=rest[1])
        elif rest[0] < len(jobs):
            job = jobs[rest[0]]
            if what == "cancel":
                jobs.remove(job)
                assert whole.cancel(job) == quick.cancel(job)
            else:
                document = Description([Vertex("node", "n", "n", 0, 0, rest[1])])
                answers = [one.partial_cancel(document, "rv1exec", job) for one in (whole, quick)]
                assert answers[0] == answers[1]


def test_equals_are_taken_in_the_order_of_the_graph():
    description = machine(2, 3, 2, [0])
    for vertex in description.vertices:
        if vertex.type == "core":
            vertex.id = 7
    over = CMatcher(description, Options(POLICIES["low"]))
    request = Request((slot(1, entry("core", 1)),))
    found = [over.match(Operation.ALLOCATE, request, job, quick=True).taken[0].vertex for job in range(1, 13)]
    assert found == [v for v, vertex in enumerate(description.vertices) if vertex.type == "core"]
    assert over.match(Operation.ALLOCATE, request, 99, quick=True).verdict is Verdict.BUSY
