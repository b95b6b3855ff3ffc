"""TreePool: the recorded rows, and what formats.md section 25 says beyond them."""

from __future__ import annotations

import pytest
from fluxplug_pool_rv1.tree import TreePool
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.clock import ManualClock
from fluxplug.errors import DocumentError, InfeasibleRequest, InsufficientResources
from fluxplug.values.idset import IDset


def vertex(kind, count=1, *below, **more):
    return {"type": kind, "count": count, **({"with": list(below)} if below else {}), **more}


def ask(pool, *resources, duration=0, **system):
    spec = {"version": 1, "resources": list(resources), "attributes": {"system": {"duration": duration, **system}}}
    return pool.parse_resource_request(spec)


def test_recorded_rows(vectors):
    for cluster in vectors("treepool"):
        pool = TreePool(cluster["R"], clock=ManualClock())
        for number, row in enumerate(cluster["rows"]):
            got = pool.alloc(number, ask(pool, *row["resources"]))
            R = got.to_dict()  # noqa: N806 - the format's name
            assert R["execution"]["R_lite"] == row["expected_R_lite"], row["id"]
            assert (got.nslots, R["execution"]["nslots"]) == (row["nslots"], row["nslots"]), row["id"]
            assert [child["ranks"] for child in R["scheduling"]["children"]] == row["scheduling_ranks"]
            assert R["scheduling"]["writer"] == "TreePool"
            pool.check()


def cluster(*topos, cores="0-5", gpus=None):
    """A pool of one node a topology, all with the same cores and GPUs."""
    n = len(topos)
    children = {"core": cores, "gpu": gpus} if gpus else {"core": cores}
    execution = {"R_lite": [{"rank": str(IDset(range(n))), "children": children}], "nodelist": [f"n[0-{n - 1}]"]}
    entries = [{"ranks": str(rank), "topo": topo} for rank, topo in enumerate(topos)]
    R = {"version": 1, "execution": execution, "scheduling": {"writer": "TreePool", "children": entries}}  # noqa: N806
    return TreePool(R, clock=ManualClock(100))


TWO = {"numa": [{"cores": "0-2"}, {"cores": "3-5"}]}
WITH_GPUS = {"numa": [{"cores": "0-2", "gpus": "0"}, {"cores": "3-5", "gpus": "1"}]}


def core(count):
    return vertex("core", count)


def test_slots_that_no_domain_holds_go_to_the_whole_node():
    # Flux counts this as feasible and never places it.
    pool = cluster(TWO)
    got = pool.alloc(1, ask(pool, vertex("node", 1, vertex("slot", 3, core(2)))))
    assert got.dumps() == "rank0/core[0-5]"
    pool.free(1)
    assert pool.alloc(1, ask(pool, vertex("slot", 1, core(4)))).dumps() == "rank0/core[0-3]"


def test_several_domains_for_a_slot_are_on_one_node():
    # Flux gives one domain whatever the count.
    pool = cluster(TWO, TWO)
    pool.alloc(1, ask(pool, vertex("slot", 1, vertex("numa", exclusive=True))))
    got = pool.alloc(2, ask(pool, vertex("slot", 1, vertex("numa", 2, exclusive=True))))
    assert got.dumps() == "rank1/core[0-5]"
    text = r"need 6 exclusive 'numa' container\(s\), only 4 available"
    with pytest.raises(InfeasibleRequest, match=text):
        pool.check_feasibility(ask(pool, vertex("slot", 3, vertex("numa", 2, exclusive=True))))


def test_domains_on_each_node():
    pool = cluster(TWO, {"cores": "0-5"}, TWO)
    request = ask(pool, vertex("node", 2, vertex("slot", 2, vertex("numa", exclusive=True))))
    got = pool.alloc(1, request)
    assert (got.dumps(), got.nslots) == ("rank[0,2]/core[0-5]", 4)
    pool.free(1)
    pool.alloc(1, ask(pool, vertex("slot", 1, core(1)), constraints={"ranks": ["0"]}))
    with pytest.raises(InsufficientResources):
        pool.alloc(2, request)
    text = r"need 3 node\(s\) with 1 exclusive 'numa' container\(s\) each, only 2 eligible"
    with pytest.raises(InfeasibleRequest, match=text):
        pool.check_feasibility(ask(pool, vertex("node", 3, vertex("slot", 1, vertex("numa", exclusive=True)))))
    text = r"need 1 exclusive 'rack' container\(s\), only 0 available"
    with pytest.raises(InfeasibleRequest, match=text):
        pool.check_feasibility(ask(pool, vertex("slot", 1, vertex("rack", exclusive=True))))


def test_a_domain_with_too_little_for_the_slot_does_not_count():
    pool = cluster({"numa": [{"cores": "0"}, {"cores": "1-5"}]})
    got = pool.alloc(1, ask(pool, vertex("slot", 1, vertex("numa", 1, core(3), exclusive=True))))
    assert got.dumps() == "rank0/core[1-5]"


def test_a_slot_over_several_nodes():
    # Flux counts six slots.
    pool = cluster(*[TWO] * 6)
    got = pool.alloc(1, ask(pool, vertex("slot", 2, vertex("node", 3, core(2)))))
    assert (got.dumps(), got.nslots) == ("rank[0-5]/core[0-1]", 2)


def test_cores_beside_nested_domains_are_a_domain():
    # Flux forgets the nested ones.
    pool = cluster({"cores": "0-5", "numa": [{"cores": "0-1"}, {"cores": "2-3"}]})
    one = ask(pool, vertex("slot", 1, core(2)))
    assert [pool.alloc(i, one).dumps() for i in range(3)] == [f"rank0/core[{2 * i}-{2 * i + 1}]" for i in range(3)]


def test_levels_are_counted_from_the_innermost():
    pool = cluster({"socket": [{"numa": [{"cores": "0-1"}, {"cores": "2"}]}, {"cores": "3-5"}]})
    assert pool.alloc(1, ask(pool, vertex("slot", 1, core(1)))).dumps() == "rank0/core2"
    assert pool.alloc(2, ask(pool, vertex("slot", 1, core(3)))).dumps() == "rank0/core[3-5]"
    pool.free(1)
    assert pool.alloc(1, ask(pool, vertex("slot", 1, core(3)))).dumps() == "rank0/core[0-2]"


def test_exclusive_nodes_go_smallest_first():
    execution = {
        "R_lite": [{"rank": "0", "children": {"core": "0-5"}}, {"rank": "1-2", "children": {"core": "0-3"}}],
        "nodelist": ["n[0-2]"],
    }
    children = [{"ranks": "0-2", "topo": {"socket": [{"cores": "0-5"}]}}]
    pool = TreePool({"version": 1, "execution": execution, "scheduling": {"children": children}})
    whole = ask(pool, vertex("slot", 1, vertex("node", 1, exclusive=True)))
    assert pool.alloc(1, whole).dumps() == "rank1/core[0-3]"
    assert (
        pool.alloc(2, ask(pool, vertex("node", 1, vertex("slot", 5, core(1)), exclusive=True))).dumps()
        == "rank0/core[0-5]"
    )
    wide = ask(pool, vertex("node", 2, vertex("slot", 1, core(5)), exclusive=True))
    with pytest.raises(InfeasibleRequest, match="need 2 node"):
        pool.alloc(3, wide)


def test_memory_and_shared_localities_restrict_nothing():
    pool = cluster(TWO)
    got = pool.alloc(1, ask(pool, vertex("slot", 1, vertex("numa", 9, core(2)), vertex("memory", 999))))
    assert got.dumps() == "rank0/core[0-1]"


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (
            [vertex("slot", 1, vertex("numa", exclusive=True), vertex("socket", exclusive=True))],
            "more than one exclusive",
        ),
        ([vertex("numa", 1, vertex("slot", 1, core(1)), exclusive=True)], "must be in the slot"),
        (
            [vertex("node", 1, vertex("slot", 1, vertex("numa", exclusive=True)), exclusive=True)],
            "of an exclusive node",
        ),
        ([vertex("slot", 1, vertex("numa"))], "Unable to determine slot size"),
    ],
)
def test_requests_that_are_refused(resources, text):
    with pytest.raises(DocumentError, match=text):
        ask(cluster(TWO), *resources)


@pytest.mark.parametrize(
    ("children", "path"),
    [
        (None, "scheduling.children"),
        ([], "scheduling.children"),
        ([5], "scheduling.children[0]"),
        ([{"ranks": "x", "topo": {}}], "scheduling.children[0].ranks"),
        ([{"ranks": "0-2", "topo": {}}], "scheduling.children[0].ranks"),
        ([{"ranks": "0-1", "topo": {}}, {"ranks": "1", "topo": {}}], "scheduling.children[1].ranks"),
        ([{"ranks": "0-1"}], "scheduling.children[0].topo"),
        ([{"ranks": "0-1", "topo": {"cores": 3}}], "scheduling.children[0].topo.cores"),
        ([{"ranks": "0-1", "topo": {"cores": "3-1"}}], "scheduling.children[0].topo.cores"),
        ([{"ranks": "0-1", "topo": {"gpus": "4000000000"}}], "scheduling.children[0].topo.gpus"),
        ([{"ranks": "0-1", "topo": {"numa": {}}}], "scheduling.children[0].topo.numa"),
        ([{"ranks": "0-1", "topo": {"numa": [{"cores": "0"}, {"cores": "0"}]}}], "scheduling.children[0].topo.numa[1]"),
    ],
)
def test_a_bad_topology_names_the_place(children, path):
    execution = {"R_lite": [{"rank": "0-1", "children": {"core": "0-5"}}], "nodelist": ["n[0-1]"]}
    R = {"version": 1, "execution": execution}  # noqa: N806
    if children is not None:
        R["scheduling"] = {"children": children}
    with pytest.raises(DocumentError) as caught:
        TreePool(R)
    assert caught.value.path == path


def test_nesting_is_bounded():
    topo = {}
    for _ in range(1000):
        topo = {"a": [topo]}
    with pytest.raises(DocumentError, match="nested more than"):
        cluster(topo)


def test_candidates_are_not_to_be_overridden():
    with pytest.raises(TypeError, match="override _choose"):

        class Wrong(TreePool):
            def _sort_candidates(self, candidates):
                return candidates


def test_promises_are_kept():
    pool = cluster(TWO, TWO)
    whole = vertex("node", 2, vertex("slot", 1, core(1)), exclusive=True)
    pool.alloc(1, ask(pool, vertex("slot", 1, core(1)), duration=50))
    head = ask(pool, whole, duration=100)
    start = pool.earliest_start(head, 100)
    assert start == 150.0
    pool.reserve(2, head, start)
    with pytest.raises(InsufficientResources):
        pool.alloc(3, ask(pool, vertex("slot", 1, core(1)), duration=60))
    assert pool.alloc(3, ask(pool, vertex("slot", 1, core(1)), duration=50)).ncores == 1
    assert pool.reservations() == {2: 150.0}


def test_caps_limit_what_is_used_on_a_rank():
    pool = cluster(TWO, TWO)
    got = pool.place(1, ask(pool, vertex("slot", "1-9", core(2))), caps={0: (3, 0)})
    assert got.dumps() == "rank0/core[0-1] rank1/core[0-5]"


kinds = st.sampled_from(
    [TWO, WITH_GPUS, {"cores": "0-5"}, {}, {"cores": "0-5", "numa": [{"cores": "0-1", "gpus": "1"}]}]
)
counts = st.tuples(st.integers(1, 3), st.integers(0, 3)).map(
    lambda pair: f"{pair[0]}-{pair[0] + pair[1]}" if pair[1] else pair[0]
)


@given(st.lists(kinds, min_size=1, max_size=3), st.data())
def test_random_histories(topos, data):
    pool = cluster(*topos, gpus="0-1")
    for jobid in range(data.draw(st.integers(1, 12))):
        size, gpus = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 1))
        slot = vertex("slot", data.draw(counts), core(size), *([vertex("gpu", gpus)] if gpus else []))
        form = data.draw(st.sampled_from(["slot", "node", "exclusive", "numa"]))
        if form == "numa":
            slot = vertex("slot", data.draw(counts), vertex("numa", exclusive=True))
        elif form != "slot":
            slot = vertex("node", data.draw(counts), slot, exclusive=form == "exclusive")
        request = ask(pool, slot)
        free = [pool._ledger.free_on(i) for i in range(len(topos))]
        try:
            got = pool.alloc(jobid, request)
        except InfeasibleRequest:
            with pytest.raises(InfeasibleRequest):
                pool.check_feasibility(request)
            continue
        except InsufficientResources:
            pool.check_feasibility(request)
            if form == "slot":  # nothing is wasted by the domains
                fit = sum(min(c.bit_count() // size, g.bit_count() // gpus if gpus else 99) for c, g in free)
                assert fit < request.nslots
            if data.draw(st.booleans()) and pool.job_end_times():
                pool.free(pool.job_end_times()[0][0])
            continue
        pool.check()
        assert got.nslots >= request.nslots
        if form == "slot":
            assert got.ncores == got.nslots * size
            assert got.ngpus == got.nslots * gpus
        for rank, (cores, those) in got.nodes.items():
            if form == "numa":
                domains = [
                    (IDset(d.get("cores", "")).mask(), IDset(d.get("gpus", "")).mask()) for d in topos[rank]["numa"]
                ]
                kept = [d for d in domains if d[0] & cores]
                assert (sum(c for c, _ in kept), sum(g for _, g in kept)) == (cores, those)
            if form == "exclusive":
                assert (cores, those) == (0b111111, 0b11)
