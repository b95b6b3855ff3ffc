"""The graph pool beyond the contract: machines from files, what only a graph can serve, R with the graph of the allocation, promises in each of their forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.pool import GraphPool
from fluxplug_pool_graph.readers import read

from fluxplug.build import build_pool
from fluxplug.clock import ManualClock
from fluxplug.config import load_config
from fluxplug.errors import ConfigError, FluxplugError, InfeasibleRequest, InsufficientResources
from fluxplug.resource.rset import Rv1Set
from fluxplug.testing import R, jobspec

RACKS = Path(__file__).parents[3] / "samples" / "racks.graphml"


def vertex(kind, count=1, *below, **more):
    """One level of a jobspec."""
    entry = {"type": kind, "count": count, **more}
    if kind == "slot":
        entry["label"] = "task"
    return {**entry, "with": list(below)} if below else entry


def asks(*resources, limit=60, **system):
    """A jobspec for some resources."""
    return {
        "version": 1,
        "resources": list(resources),
        "tasks": [{"command": ["job"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": limit, **system}},
    }


def racks(**options):
    """Two racks of four nodes with two sockets of eight cores, one GPU and 32 of memory each."""
    return GraphPool(load_file=str(RACKS), clock=ManualClock(0), **options)


def flat(nodes=4, cores=4, **options):
    return GraphPool(R(nodes, cores), clock=ManualClock(0), **options)


def take(pool, jobid, spec):
    found = pool.alloc(jobid, pool.parse_resource_request(spec))
    pool.check()
    return found


# Machines.


def test_a_recipe_is_a_machine_with_ranks():
    whole = racks().to_set()
    assert (whole.count("core"), whole.count("gpu"), str(whole.ranks)) == (128, 16, "0-7")
    assert str(whole.nodelist) == "node[0-7]"


@pytest.mark.parametrize("form", ["jgf", None])
def test_a_graph_is_the_same_machine_from_jgf(tmp_path, form):
    path = tmp_path / "racks.json"
    path.write_text(Graph.from_description(read("grug", RACKS.read_text())).write_jgf())
    pool = GraphPool(load_file=str(path), load_format=form, clock=ManualClock(0))
    assert pool.to_set().to_dict() == racks().to_set().to_dict()


def test_a_pool_of_the_r_of_an_allocation_is_that_part_of_the_machine():
    pool = racks(match_format="rv1")
    given = take(pool, 1, asks(vertex("rack", 1, vertex("slot", 2, vertex("node")))))
    inner = GraphPool(given.to_dict(), clock=ManualClock(0))
    assert inner.to_set().dumps() == given.dumps()
    request = inner.parse_resource_request(asks(vertex("slot", 1, vertex("socket"))))
    taken = [inner.alloc(jobid, request) for jobid in range(4)]
    with pytest.raises(InsufficientResources):
        inner.alloc(9, request)
    assert sum(one.count("core") for one in taken) == 32
    # And of that again.
    again = GraphPool(json.dumps(given.to_dict()), clock=ManualClock(0), match_format="rv1")
    assert again.to_set().to_dict()["execution"] == inner.to_set().to_dict()["execution"]


def test_shorthand_leaves_out_what_is_below_an_exclusive_vertex():
    spec = asks(vertex("slot", 1, vertex("node")))
    full, short = (take(racks(match_format=form), 1, spec) for form in ("rv1", "rv1_shorthand"))
    sizes = [len(given.to_dict()["scheduling"]["graph"]["nodes"]) for given in (full, short)]
    assert sizes == [3 + 2 + 2 * (8 + 1 + 4), 3]
    assert "scheduling" not in take(racks(), 1, spec).to_dict()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"load_file": "missing.json"}, "missing.json: cannot be read: No such file"),
        ({"match_policy": "best"}, "[pool.graph] match-policy: match policy 'best'"),
        ({"prune_filters": "ALL"}, "[pool.graph] prune-filters: prune filters 'ALL'"),
        ({"load_format": "hwloc"}, "racks.graphml: "),
        ({"load_file": None}, "no machine: give an R, or load-file in [pool.graph]"),
    ],
)
def test_what_cannot_be_used_is_named(options, told):
    with pytest.raises(FluxplugError) as caught:
        racks(**options) if "load_file" not in options else GraphPool(**options)
    assert told in str(caught.value)


def test_two_machines_are_one_too_many(tmp_path):
    path = tmp_path / "sched.toml"
    text = f'[sched]\npool = "graph"\n[pool.graph]\nload-file = "{RACKS}"\n'
    path.write_text(text)
    assert build_pool(load_config(path), load_config(path).plugins, ManualClock(0)).to_set().count("core") == 128
    path.write_text(text + "[resource]\nnodes = 2\n")
    with pytest.raises(ConfigError, match=r"\[pool.graph\] describes the machine, and so does \[resource\]"):
        build_pool(load_config(path), load_config(path).plugins, ManualClock(0))
    path.write_text(text + '[queues.debug]\nhosts = "node0"\n')
    with pytest.raises(ConfigError, match=r"\[queues.debug\] hosts cannot name nodes of it; use requires"):
        build_pool(load_config(path), load_config(path).plugins, ManualClock(0))


# What jobs ask for.


@pytest.mark.parametrize(
    ("resources", "cores", "gpus", "nodes"),
    [
        (vertex("slot", 5, vertex("core")), 5, 0, 1),
        (vertex("node", 2, vertex("slot", 4, vertex("core", 2))), 16, 0, 2),  # over the sockets
        (vertex("node", 1, vertex("slot", 1, vertex("core", 10), vertex("gpu", 2))), 10, 2, 1),
        (vertex("slot", 2, vertex("core", 12)), 24, 0, 2),  # a slot is on one node
        (vertex("slot", 3, vertex("socket")), 24, 3, 2),
        (vertex("slot", 2, vertex("node", 1, vertex("core", 3))), 6, 0, 2),
        (vertex("rack", 2, vertex("slot", 1, vertex("node"))), 32, 4, 2),
        (vertex("rack", 1, vertex("slot", 20, vertex("core"))), 20, 0, 2),
        (vertex("node", 1, vertex("slot", 1, vertex("core"), vertex("memory", 40))), 1, 0, 1),
        (vertex("slot", {"min": 2, "max": 6, "operator": "+", "operand": 2}, vertex("node")), 96, 12, 6),
        (vertex("node", 1, vertex("slot", 1, vertex("core")), exclusive=True), 16, 2, 1),
        (vertex("slot", 3, vertex("core", 2), exclusive=True), 48, 6, 3),
    ],
)
def test_resources_of_many_kinds(resources, cores, gpus, nodes):
    pool = racks(match_policy="lonode")
    given = take(pool, 1, asks(resources))
    assert (given.count("core"), given.count("gpu"), given.nnodes) == (cores, gpus, nodes)
    pool.free(1, final=True)
    pool.check()
    assert pool.copy_allocated().count("core") == 0


@pytest.mark.parametrize(
    ("resources", "system", "told"),
    [
        (vertex("slot", 200, vertex("core")), {}, "asks for 200 of core, the machine has 128"),
        (vertex("slot", 1, vertex("qpu")), {}, "asks for 1 of qpu, the machine has 0"),
        (vertex("slot", 1, vertex("core", 17)), {}, "cannot serve this arrangement"),
        (vertex("node", 1), {}, "selects nothing"),
        (vertex("slot", 1, vertex("core")), {"constraints": {"hostlist": ["elsewhere"]}}, "no node satisfies"),
        (
            vertex("slot", 2, vertex("node")),
            {"constraints": {"ranks": ["3"]}},
            "on the nodes that satisfy the constraints",
        ),
    ],
)
def test_what_can_never_be_is_said(resources, system, told):
    pool = racks()
    with pytest.raises(InfeasibleRequest, match=told):
        pool.check_feasibility(pool.parse_resource_request(asks(resources, **system)))


@pytest.mark.parametrize(
    ("resources", "where"),
    [
        ("core", "resources: expected a list"),
        ([{"count": 1}], r"resources\[0\]: a resource needs a type"),
        ([vertex("core", 0)], "resources: empty"),
        ([vertex("core", "2,5,6")], r"resources\[0\].count: '2,5,6' is a list of counts"),
        ([vertex("core", 1, exclusive=1)], r"resources\[0\].exclusive: expected true or false"),
    ],
)
def test_what_cannot_be_understood_is_refused(resources, where):
    with pytest.raises(ValueError, match=where):
        racks().parse_resource_request({"version": 9999, "resources": resources})


# Holding.


def test_what_a_running_job_holds_is_entered_again():
    pool = racks(match_format="rv1")
    spec = asks(vertex("node", 1, vertex("slot", 1, vertex("core", 10), vertex("gpu"))))
    document = take(pool, 1, spec).to_dict()
    other = racks()
    other.register_alloc(1, document)
    other.check()
    assert other.copy_allocated().dumps() == pool.copy_allocated().dumps()
    for wrong, told in [
        (document, "that another job holds"),
        (R(1, 99), "holds what the pool has not"),
        (R(1, 1, first=70), "ranks 70"),
    ]:
        with pytest.raises(ValueError, match=told):
            other.register_alloc(2, wrong)
        other.check()
    other.free(1, Rv1Set(document), final=True)
    assert other.job_end_times() == []


@pytest.mark.parametrize("form", ["rv1", "rv1_shorthand"])
@pytest.mark.parametrize("below", [vertex("memory", 40), vertex("socket")])
def test_what_is_held_beside_cores_is_entered_again(form, below):
    pool, other = racks(match_format=form, match_policy="lonode"), racks(match_policy="lonode")
    spec = asks(vertex("node", 1, vertex("slot", 1, vertex("core", 1), below)), limit=60)
    if below["type"] == "socket":
        spec = asks(vertex("slot", 3, below), limit=60)
    for jobid in range(1, 3):
        other.register_alloc(jobid, take(pool, jobid, spec).to_dict())
        other.check()
    memory = asks(vertex("node", 1, vertex("slot", 1, vertex("memory", 8))), limit=60)
    counts = []
    for one in (pool, other):
        request = one.parse_resource_request(memory)
        done = 0
        while one.earliest_start(request, 0) == 0:
            done += 1
            one.alloc(100 + done, request)
        one.check()
        counts.append(done)
    assert counts[0] == counts[1] > 0


def test_removed_ranks_are_given_to_nobody():
    pool = flat(match_policy="lonode")
    take(pool, 1, jobspec(nodes=1, cores=4, limit=10))
    pool.remove_ranks("0-2")
    assert pool.to_set().count("core") == 4
    with pytest.raises(InfeasibleRequest):
        take(pool, 2, jobspec(nodes=2))
    assert str(take(pool, 2, jobspec(4)).ranks) == "3"
    pool.free(1, final=True)
    with pytest.raises(InsufficientResources):
        take(pool, 3, jobspec(1))
    pool.check()


# Promises.


def promised(pool, jobid, spec, after=0):
    request = pool.parse_resource_request(spec)
    start = pool.earliest_start(request, after)
    pool.reserve(jobid, request, start)
    pool.check()
    return start


def test_single_cores_are_promised_by_amount():
    """Six cores are free until 10 and two are kept from then on: a long job may use any four, whichever cores they are."""
    pool = flat(2, 4)
    take(pool, 1, jobspec(2, limit=10))
    assert promised(pool, 2, jobspec(4, limit=10)) == 0
    pool.unreserve(2)
    assert promised(pool, 2, jobspec(8, limit=10)) == 10
    with pytest.raises(InsufficientResources):
        take(pool, 3, jobspec(1, limit=11))
    take(pool, 3, jobspec(6, limit=10))
    for jobid in (1, 3):
        pool.free(jobid, final=True)
    pool.clock.time = 10
    assert take(pool, 2, jobspec(8, limit=10)).count("core") == 8


@pytest.mark.parametrize("kind", ["node", "rack"])
def test_what_nobody_else_can_have_is_no_amount(kind):
    """A job that has a node, or a rack, to itself and asked for one core of it: the others are not there for a promise."""
    pool = racks(match_policy="lonode")
    below = vertex("core") if kind == "node" else vertex("node", 1, vertex("core"))
    given = take(pool, 1, asks(vertex("slot", 1, vertex(kind, 1, below)), limit=10))
    assert given.count("core") == 1
    free = 112 if kind == "node" else 64
    assert promised(pool, 2, asks(vertex("slot", free, vertex("core")), limit=10)) == 0
    pool.unreserve(2)
    assert promised(pool, 2, asks(vertex("slot", free + 1, vertex("core")), limit=10)) == 10
    pool.free(1, given, final=True)
    pool.check()
    assert take(pool, 3, asks(vertex("slot", 128, vertex("core")), limit=10)).count("core") == 128


def test_amounts_get_names_when_somebody_needs_more_than_an_amount():
    pool = flat(2, 4)
    take(pool, 1, jobspec(8, limit=10))
    assert promised(pool, 2, jobspec(3, limit=10)) == 10
    assert promised(pool, 3, jobspec(nodes=1, cores=4, limit=10)) == 10
    assert promised(pool, 4, jobspec(2, limit=5)) == 20  # one core is left until 20
    pool.unreserve(3)
    assert promised(pool, 5, jobspec(4, limit=5)) == 10
    pool.free(1, final=True)
    pool.clock.time = 10
    for jobid, spec in ((2, jobspec(3, limit=10)), (5, jobspec(4, limit=5))):
        take(pool, jobid, spec)


def test_a_question_changes_nothing():
    pool = flat(2, 4)
    take(pool, 1, jobspec(8, limit=10))
    promised(pool, 2, jobspec(3, limit=10))
    before = pool.reservations()
    whole = pool.parse_resource_request(jobspec(nodes=2, cores=4, limit=10))
    assert pool.earliest_start(whole, 0) == 20
    pool.check()
    assert pool.reservations() == before
    assert pool.earliest_start(pool.parse_resource_request(jobspec(5, limit=10)), 0) == 10


def test_a_promise_lapses_behind_somebody_who_is_overdue_and_comes_back():
    pool = flat(1, 4)
    take(pool, 1, jobspec(4, limit=10))
    assert promised(pool, 2, jobspec(4, limit=100)) == 10
    pool.clock.time = 12
    with pytest.raises(InsufficientResources):
        take(pool, 2, jobspec(4, limit=100))
    assert dict(pool.reservations()) == {2: 10}
    pool.free(1, final=True)
    pool.check()
    assert take(pool, 2, jobspec(4, limit=100)).count("core") == 4


def allocated(expiration, *nodes):
    """An R of (ranks, children)."""
    children = [{"rank": ranks, "children": children} for ranks, children in nodes]
    return {"version": 1, "execution": {"R_lite": children, "starttime": 0, "expiration": expiration}}


def test_a_promise_that_lapsed_comes_back_though_another_has_moved():
    """A job is entered again without its end: promises lapse, and one moves to where another has to be. With the end, both are kept."""
    machine = allocated(0, ("0", {"core": "0-3", "gpu": "0"}), ("1-2", {"core": "0", "gpu": "0"}))
    machine["execution"]["nodelist"] = ["node[0-2]"]
    pool = GraphPool(machine, clock=ManualClock(0), match_policy="low")
    pool.register_alloc(1, allocated(5, ("2", {"core": "0"})))
    pool.register_alloc(11, allocated(1, ("0", {"core": "2-3"})))
    pool.register_alloc(13, allocated(1, ("0", {"core": "0-1", "gpu": "0"})))
    pairs = asks(vertex("slot", 3, vertex("core"), vertex("gpu")), limit=0)
    assert (promised(pool, 2, pairs), promised(pool, 3, jobspec(3, limit=0))) == (5, 1)
    pool.free(13)
    pool.register_alloc(13, allocated(0, ("0", {"core": "0-1", "gpu": "0"})))
    pool.check()
    both = (pool, pool.copy_planned())
    for one in both:
        one.update_expiration(13, 1)
        one.check()
    for time, ended, jobid, spec in ((1, (11, 13), 3, jobspec(3, limit=0)), (5, (1,), 2, pairs)):
        pool.clock.time = time
        for one in both:
            for other in ended:
                one.free(other, final=True)
            take(one, jobid, spec)


@pytest.mark.parametrize("question", [GraphPool.check, GraphPool.copy, lambda pool: pool.rooms([])])
def test_who_asks_between_two_ends_changes_nothing(question):
    """One of two jobs that end now is still there: a promise on its node moves to another, and is back when it is gone."""
    given = []
    for asked in (False, True):
        pool = flat(3, 1)
        for jobid, end in ((1, 10), (2, 10), (3, 5)):
            take(pool, jobid, jobspec(nodes=1, limit=end))
        assert promised(pool, 4, jobspec(nodes=2, exclusive=True, limit=10)) == 10
        pool.clock.time = 5
        pool.free(3, final=True)
        pool.clock.time = 10
        pool.free(2, final=True)
        if asked:
            question(pool)
        pool.free(1, final=True)
        given.append(str(take(pool, 4, jobspec(nodes=2, exclusive=True, limit=10))))
    assert given[0] == given[1]


def test_place_does_not_look_at_promises():
    pool = flat(1, 4)
    take(pool, 1, jobspec(2, limit=10))
    promised(pool, 2, jobspec(4, limit=10))
    with pytest.raises(InsufficientResources):
        take(pool, 3, jobspec(1, limit=20))
    pool.place(3, pool.parse_resource_request(jobspec(1, limit=20)))
    pool.check()
    pool.free(3, final=True)
    pool.check()
    pool.clock.time = 10
    pool.free(1, final=True)
    take(pool, 2, jobspec(4, limit=10))


def test_who_holds_something_is_promised_nothing():
    pool = flat(2, 4)
    take(pool, 1, jobspec(4, limit=10))
    request = pool.parse_resource_request(jobspec(nodes=1, limit=10))
    start = pool.earliest_start(request, 0)
    with pytest.raises(ValueError, match="job 1 already holds"):
        pool.reserve(1, request, start)
    pool.check()
    assert pool.earliest_start(request, 0) == start


def test_fractions_of_a_second_are_kept():
    pool = flat(1, 1)
    pool.clock.time = 0.1
    take(pool, 1, jobspec(1, limit=0.2))
    end = 0.1 + 0.2  # no multiple of anything
    assert pool.job_end_times() == [(1, end)]
    assert promised(pool, 2, jobspec(1, limit=1)) == end
    pool.clock.time = end
    pool.free(1, final=True)
    take(pool, 2, jobspec(1, limit=1))


def test_copies_keep_promises_or_not():
    pool = flat(1, 4)
    take(pool, 1, jobspec(4, limit=10))
    promised(pool, 2, jobspec(4, limit=10))
    request = pool.parse_resource_request(jobspec(1, limit=1))
    assert (pool.copy().earliest_start(request, 0), pool.copy_planned().earliest_start(request, 0)) == (10, 20)
    planned = pool.copy_planned()
    planned.drop_reservations()
    planned.check()
    assert dict(pool.reservations()) == {2: 10}
