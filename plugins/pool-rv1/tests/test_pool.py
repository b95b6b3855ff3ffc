"""Rv1Pool: what the recorded traces and the random histories leave out."""

from __future__ import annotations

import json

import pytest
from fluxplug_pool_rv1 import pool as pool_module
from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.clock import ManualClock, SystemClock
from fluxplug.errors import DocumentError, InfeasibleRequest, InsufficientResources, PluginError
from fluxplug.resource import ResourceCount, ResourcePool, ResourceRequest, ResourceSet, Rv1Set


def document(nodes=4, cores="0-3", gpus="0-1", **more):
    children = {"core": cores, "gpu": gpus} if gpus else {"core": cores}
    lite = [{"rank": f"0-{nodes - 1}", "children": children}]
    execution = {"R_lite": lite, "nodelist": [f"n[0-{nodes - 1}]"], "properties": {"big": "2-3", "+q": "0"}, **more}
    return {"version": 1, "execution": execution}


def pool_of(*args, **kwargs):
    return Rv1Pool(document(*args, **kwargs), clock=ManualClock(100))


def vertex(kind, count=1, *below, **more):
    return {"type": kind, "count": count, **({"with": list(below)} if below else {}), **more}


def ask(*resources, duration=0, **system):
    spec = {"version": 1, "resources": list(resources), "attributes": {"system": {"duration": duration, **system}}}
    return ResourceRequest.from_jobspec(spec)


def slots(count, cores=1, gpus=0, **system):
    below = [vertex("core", cores), *([vertex("gpu", gpus)] if gpus else [])]
    return ask(vertex("slot", count, *below), **system)


def nodes(count, cores=1, exclusive=False, **system):
    return ask(vertex("node", count, vertex("slot", 1, vertex("core", cores)), exclusive=exclusive), **system)


# Requests.


def test_slots_above_nodes_get_whole_slots():
    pool = pool_of(5)
    two_nodes_each = ask(vertex("slot", "1-9", vertex("node", 2, vertex("core", 1))))
    got = pool.alloc(1, two_nodes_each)
    assert (got.nnodes, got.nslots) == (4, 2)
    shared_evenly = ask(vertex("slot", 2, vertex("node", "1+", vertex("core", 1))))
    got = pool.alloc(2, shared_evenly)
    assert (got.nnodes, got.nslots) == (4, 2)
    exclusive = ask(vertex("slot", "1-9", vertex("node", 2, vertex("core", 1), exclusive=True)))
    with pytest.raises(InsufficientResources):
        pool.alloc(3, exclusive)
    pool.free(1)
    pool.free(2)
    got = pool.alloc(3, exclusive)
    assert (got.nnodes, got.nslots, got.ncores) == (4, 2, 16)
    pool.check()


def test_a_small_node_is_had_beside_a_promise_for_which_the_large_one_was_not_needed():
    """A whole node of the smaller kind, until just when somebody else's promise begins."""
    kinds = [{"rank": "0", "children": {"core": "0"}}, {"rank": "1", "children": {"core": "0-1"}}]
    pool = Rv1Pool({"version": 1, "execution": {"R_lite": kinds}}, clock=ManualClock(100))
    pool.reserve(1, slots(1, duration=1), 101)
    whole = nodes(1, exclusive=True, duration=1)
    assert str(pool.alloc(2, whole).ranks) == "1"
    assert pool.earliest_start(whole, 100) == 100
    assert str(pool.alloc(3, whole).ranks) == "0"
    pool.check()


def test_an_idle_node_that_is_too_small_does_not_stand_for_those_that_are_not():
    small_first = [{"rank": "0", "children": {"core": "0"}}, {"rank": "1-2", "children": {"core": "0-1"}}]
    pool = Rv1Pool({"version": 1, "execution": {"R_lite": small_first}}, clock=ManualClock(100))
    pool.alloc(1, slots(1, duration=10))
    request = nodes(1, 2, exclusive=True, duration=10)
    assert pool.earliest_start(request, 100) == 100
    assert pool.rooms([request]) == [float("inf")]


def test_an_exclusive_node_must_hold_the_slots():
    pool = pool_of()
    wide = ask(vertex("node", 1, vertex("slot", 8, vertex("core", 1)), exclusive=True))
    for request in (wide, nodes(1, 5, exclusive=True)):
        with pytest.raises(InfeasibleRequest, match=r"need 1 node\(s\) with [58] cores each, only 0 eligible"):
            pool.alloc(1, request)
    with pytest.raises(InfeasibleRequest, match=r"need 5 exclusive node\(s\), only 4 eligible"):
        pool.check_feasibility(nodes(5, exclusive=True))


def test_infeasible_texts_with_gpus():
    pool = pool_of()
    with pytest.raises(
        InfeasibleRequest, match=r"need 9 slot\(s\) with 1 GPU\(s\) each, only 8 available \(total GPUs: 8\)"
    ):
        pool.check_feasibility(slots(9, gpus=1))
    request = ask(vertex("node", 1, vertex("slot", 3, vertex("core", 1), vertex("gpu", 1))))
    with pytest.raises(InfeasibleRequest, match=r"need 1 node\(s\) with 3 cores and 3 GPUs each, only 0 eligible"):
        pool.check_feasibility(request)


def test_feasibility_counts_what_is_down_and_held_but_not_what_is_removed():
    pool = pool_of()
    pool.alloc(1, nodes(4, exclusive=True))
    pool.mark_down("all")
    pool.check_feasibility(nodes(4, exclusive=True))
    copy = pool.copy()
    pool.remove_ranks("3")
    with pytest.raises(InfeasibleRequest):
        pool.check_feasibility(nodes(4, exclusive=True))
    copy.check_feasibility(nodes(4, exclusive=True))


def test_counts_without_a_bound():
    pool = pool_of()
    assert pool.alloc(1, slots("1+")).nslots == 16
    pool.free(1)
    assert pool.alloc(1, slots({"min": 1, "max": 2**63 - 1})).nslots == 16
    pool.free(1)
    assert pool.alloc(1, nodes("1+", exclusive=True)).nnodes == 4
    pool.check()


def test_a_constraint_that_matches_nothing_is_infeasible():
    pool = pool_of()
    with pytest.raises(InfeasibleRequest, match="total cores: 0"):
        pool.alloc(1, slots(1, constraints={"not": []}))
    assert pool.alloc(1, slots(1, constraints={"or": []})).ncores == 1


def test_compiled_shapes_are_bounded(monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_DEMANDS", 3)
    pool = pool_of()
    for cores in (1, 2, 3, 4, 1):
        pool.check_feasibility(slots(1, cores))
        assert len(pool._demands) <= 3


# Allocations.


def test_an_allocation_is_a_set_of_its_own():
    pool = pool_of()
    got = pool.alloc(1, nodes(2, 2))
    got.set_expiration(500)
    got.set_starttime(100)
    assert "nodes" not in {name for name in Rv1Set.__slots__ if name in got.__class__.__dict__}
    assert got.to_dict()["execution"] == {
        "R_lite": [{"rank": "0-1", "children": {"core": "0-1"}}],
        "starttime": 100.0,
        "expiration": 500.0,
        "nslots": 2,
        "nodelist": ["n[0-1]"],
    }
    assert str(got.ranks) == "0-1"
    assert (got - got.copy_ranks("0")).dumps() == "rank1/core[0-1]"
    with pytest.raises(AttributeError):
        got.no_such_name  # noqa: B018


def test_a_changed_allocation_is_no_longer_what_the_job_holds():
    pool = pool_of()
    got = pool.alloc(1, nodes(2, 2))
    got.remove_ranks("1")
    assert (got.nnodes, got.ncores, got.ngpus, str(got.ranks)) == (1, 2, 0, "0")
    with pytest.raises(ValueError, match="final free of job 1 leaves ranks 1"):
        pool.free(1, got, final=True)
    got.append(pool.to_set())
    with pytest.raises(ValueError, match="job 1 does not hold what is to be freed"):
        pool.free(1, got)
    assert pool.copy_allocated().dumps() == "rank[0-1]/core[0-1]"
    pool.check()


def test_scheduling_rides_along():
    pool = Rv1Pool(document() | {"scheduling": {"writer": "x"}})
    assert pool.alloc(1, slots(1)).to_dict()["scheduling"] == {"writer": "x"}
    assert pool.to_dict()["scheduling"] == {"writer": "x"}


def test_part_of_a_rank_can_be_freed():
    pool = pool_of()
    pool.alloc(1, nodes(2, 3))
    part = {"version": 1, "execution": {"R_lite": [{"rank": "1", "children": {"core": "1"}}]}}
    pool.free(1, json.dumps(part))
    assert pool.copy_allocated().dumps() == "rank0/core[0-2] rank1/core[0,2]"
    with pytest.raises(ValueError, match="does not hold what is to be freed on ranks 1"):
        pool.free(1, ResourceSet(part))
    pool.free(1)
    pool.check()


def test_a_job_holds_one_allocation():
    pool = pool_of()
    pool.alloc(1, slots(1))
    with pytest.raises(ValueError, match="job 1 already holds"):
        pool.alloc(1, slots(1))
    pool.free(2)
    pool.free(2, final=True)


def test_register_alloc_refuses_what_cannot_be_held():
    pool = pool_of()
    got = pool.alloc(1, nodes(1, 2))
    pool.remove_ranks("3")

    def entry(rank, core="0"):
        return {"version": 1, "execution": {"R_lite": [{"rank": rank, "children": {"core": core}}]}}

    before = pool.generation
    with pytest.raises(ValueError, match="holds ranks 3,9, which are not in the pool"):
        pool.register_alloc(2, entry("2-3,9"))
    with pytest.raises(ValueError, match="that ranks 2 have not"):
        pool.register_alloc(2, entry("2", "0-4"))
    with pytest.raises(ValueError, match="on ranks 0 that another job holds"):
        pool.register_alloc(2, got)
    assert (pool.generation, pool.job_end_times()) == (before, [(1, 0.0)])
    pool.register_alloc(2, entry("0,2", "2-3"))
    assert pool.copy_allocated().dumps() == "rank0/core[0-3] rank2/core[2-3]"
    pool.check()


# Times.


def test_ends_follow_the_pool():
    pool = pool_of(expiration=1000)
    pool.alloc(1, slots(1, duration=60))
    pool.alloc(2, slots(1))
    found = pool.to_set()
    assert (pool.expiration, found.expiration) == (1000.0, 1000.0)
    assert pool.job_end_times() == [(1, 160.0), (2, 1000.0)]
    pool.set_expiration(2000)
    assert pool.job_end_times() == [(1, 160.0), (2, 2000.0)]
    pool.update_expiration(1, 0)
    pool.update_expiration(2, 300.0)
    pool.update_expiration(99, 300.0)
    assert pool.job_end_times() == [(1, 2000.0), (2, 300.0)]
    pool.expiration = 0
    assert pool.job_end_times() == [(1, 0.0), (2, 300.0)]


def test_a_registered_job_ends_with_its_own_expiration_or_the_pools():
    pool = pool_of(expiration=1000)
    got = pool_of().alloc(1, slots(1))
    pool.register_alloc(1, got)
    got = pool_of().alloc(1, slots(1, 4))
    got.set_expiration(700)
    got.remove_ranks("")
    with pytest.raises(ValueError, match="another job"):
        pool.register_alloc(2, got)
    pool.free(1)
    pool.register_alloc(2, got)
    assert pool.job_end_times() == [(2, 700.0)]


# The pool as a set, and how it is made.


def test_core_finds_the_pool_by_its_name():
    import fluxplug.resource

    assert fluxplug.resource.Rv1Pool is Rv1Pool
    with pytest.raises(AttributeError):
        fluxplug.resource.Rv9Pool  # noqa: B018


def test_ways_to_make_a_pool():
    R = document()  # noqa: N806 - the format's name
    made = [
        Rv1Pool(R),
        Rv1Pool(json.dumps(R)),
        Rv1Pool(Rv1Set(R)),
        Rv1Pool(ResourceSet(R)),
        ResourcePool(R),
        ResourcePool(Rv1Set(R)),
    ]
    assert {pool.dumps() for pool in made} == {"rank[0-3]/core[0-3],gpu[0-1]"}
    assert {type(pool) for pool in made} == {Rv1Pool}
    assert isinstance(made[0].clock, SystemClock)
    pool = made[0]
    assert ResourcePool(pool) is pool is pool.impl
    assert pool.encode() == json.dumps(pool.to_dict())
    assert (pool.count("core"), pool.count("gpu"), pool.count("rack"), pool.version) == (16, 8, 0, 1)
    assert pool.to_resource_set().nnodes == 4
    assert (pool.InfeasibleRequest, ResourcePool.InsufficientResources) == (InfeasibleRequest, InsufficientResources)
    assert Rv1Pool().dumps() == ResourcePool().dumps() == ""


@pytest.mark.parametrize(
    ("arg", "kind"),
    [
        (5, TypeError),
        ({}, KeyError),
        ({"version": 2}, ValueError),
        ("x", ValueError),
        ({"version": "1"}, DocumentError),
    ],
)
def test_bad_arguments(arg, kind):
    with pytest.raises(kind):
        Rv1Pool(arg)
    # The entry to pools picks one by the version: one that nobody has is a plugin that is missing.
    with pytest.raises(PluginError if arg == {"version": 2} else kind):
        ResourcePool(arg)


def test_an_empty_pool_has_nothing():
    pool = Rv1Pool()
    with pytest.raises(InfeasibleRequest):
        pool.alloc(1, slots(1))
    pool.mark_down("all")
    pool.remove_ranks("0-3")
    pool.check()
    assert pool.generation == 0


def test_options_that_are_not_known_are_logged():
    lines = []

    class Site(Rv1Pool):
        """A pool with one option."""

        known_options = frozenset({"mine"})

    Site(document(), log=lambda level, text: lines.append((level, text)), mine=1, other=2)
    assert lines == [(4, "pool rv1: unknown option 'other' ignored")]


def test_marks_and_the_generation():
    pool = pool_of()
    assert pool.to_set().state == {"up": "0-3", "down": ""}
    pool.mark_up("0-3")
    assert pool.generation == 0
    pool.mark_down("1,7-9")
    assert (pool.generation, pool.to_set().state) == (1, {"up": "0,2-3", "down": "1"})
    pool.remove_ranks("1-2")
    assert (pool.generation, str(pool.ranks), pool.copy_down().dumps()) == (2, "0,3", "")
    pool.remove_ranks([1, 2])
    assert pool.generation == 2
    with pytest.raises(ValueError, match="ascend"):
        pool.mark_down("3,2")


def test_holders():
    pool = pool_of()
    pool.alloc(7, nodes(2))
    pool.alloc(3, nodes(1))
    assert (pool.holders("all"), pool.holders("2"), pool.holders("3,99")) == ([3, 7], [3], [])


# Hooks.


def test_a_planner_hears_of_every_change():
    told = []

    class Listening(Rv1Pool):
        """Writes down what it is told."""

        def _taken(self, jobid, parts, end):
            told.append(("taken", jobid, sum(count for *_, count in parts), end))

        def _given_back(self, jobid, parts, final):
            told.append(("given", jobid, sum(count for *_, count in parts), final))

        def _end_changed(self, jobid, parts, before, end):
            told.append(("end", jobid, len(parts), before, end))

        def _availability_changed(self):
            told.append(("available",))

    pool = Listening(document(), clock=ManualClock(100))
    got = pool.alloc(1, nodes(3, duration=50))
    pool.update_expiration(1, 150)
    pool.update_expiration(1, 170)
    pool.free(1, got.copy_ranks("1"))
    pool.free(1, final=True)
    pool.register_alloc(2, got)
    pool.mark_down("0")
    pool.mark_down("0")
    pool.remove_ranks("0")
    assert told == [
        ("taken", 1, 3, 150.0),
        ("end", 1, 1, 150.0, 170),
        ("given", 1, 1, False),
        ("given", 1, 2, True),
        ("taken", 2, 3, float("inf")),
        ("available",),
        ("available",),
    ]


def test_hooks_for_subclasses():
    class LastFirst(Rv1Pool):
        """The highest ranks first, and jobs of at most two slots."""

        def __init__(self, R, **kwargs):  # noqa: N803 - the format's name
            super().__init__(R, **kwargs)
            self.asked = 0

        def _init_from_state(self, source):
            super()._init_from_state(source)
            self.asked = source.asked

        def _sort_candidates(self, candidates):
            self.asked += 1
            return candidates[::-1]

        def _check_feasibility(self, request):
            super()._check_feasibility(request)
            if request.nslots > 2:
                raise InfeasibleRequest("too many")

    pool = LastFirst(document(), clock=ManualClock())
    assert pool.alloc(1, slots(2)).dumps() == "rank3/core[0-1]"
    assert pool._ranks[3] == {
        "hostname": "n3",
        "cores": frozenset(range(4)),
        "gpus": frozenset(range(2)),
        "up": True,
        "allocated_cores": {0, 1},
        "allocated_gpus": set(),
    }
    assert pool._job_state[1][1].dumps() == "rank3/core[0-1]"
    copy = pool.copy()
    assert copy.alloc(2, slots(1)).dumps() == "rank3/core2"
    assert (pool.asked, copy.asked) == (1, 2)
    with pytest.raises(InfeasibleRequest, match="too many"):
        pool.alloc(3, slots(3))


@pytest.mark.parametrize("chosen", [[(0, [0, 9], [])], [(0, [0], []), (0, [1], [])], [(0, [], [7])]])
def test_a_subclass_cannot_take_what_is_not_free(chosen):
    class Wrong(Rv1Pool):
        """Chooses badly."""

        def _select_resources(self, candidates, request):
            return chosen, 1

    pool = Wrong(document())
    with pytest.raises(ValueError, match="not free on rank 0"):
        pool.alloc(1, slots(1))
    pool.check()


# What a planner may ask for.


def test_eligible_limits_the_ranks():
    pool = pool_of()
    assert str(pool.place(1, slots(1), eligible=0b1100).ranks) == "2"
    assert str(pool.place(2, nodes(1, exclusive=True), eligible=0b0111).ranks) == "0"
    pool.mark_down("1")
    with pytest.raises(InsufficientResources):
        pool.place(3, nodes(1), eligible=0b0010)


caps_of = st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 4), st.integers(0, 2)))


@given(
    caps_of,
    st.lists(st.integers(1, 4), max_size=4),
    st.tuples(st.integers(1, 3), st.integers(0, 4)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(["slots", "nodes", "exclusive"]),
    st.integers(1, 15),
)
def test_caps_limit_what_is_used_on_a_rank(  # noqa: PLR0917 - one argument a strategy
    caps, before, counts, size, gpus, form, eligible
):
    pool = pool_of()
    for jobid, cores in enumerate(before):
        pool.alloc(-1 - jobid, slots(1, cores))
    count = ResourceCount(counts[0], counts[0] + counts[1])
    one = ResourceCount(1, 1)
    shape = (None, count) if form == "slots" else (count, one)
    request = ResourceRequest(*shape, size, gpus, 0.0, None, form == "exclusive")
    free = {i: [mask.bit_count() for mask in pool._ledger.free_on(i)] for i in range(4) if eligible >> i & 1}
    expected, granted = {}, 0
    for i in sorted(free, key=lambda i: (-free[i][0], -free[i][1], i)):
        usable = [min(a, b) for a, b in zip(free[i], caps.get(i, (9, 9)), strict=True)]
        fit = min(usable[0] // size, usable[1] // gpus if gpus else 99, 99 if form == "slots" else 1)
        fit = min(fit, count.max - granted)
        if form == "exclusive" and usable != [4, 2]:
            fit = 0
        if fit > 0:
            expected[i] = (4, 2) if form == "exclusive" else (fit * size, fit * gpus)
            granted += fit
    try:
        got = pool.place(1, request, eligible=eligible, caps=caps)
    except (InsufficientResources, InfeasibleRequest):
        assert granted < count.min
        return
    assert {r: (c.bit_count(), g.bit_count()) for r, (c, g) in got.nodes.items()} == expected
    assert got.nslots == granted
    pool.check()


# The self-test finds what is wrong.


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pool: pool._ledger.part.clear(),
        lambda pool: pool._ledger.levels.clear(),
        lambda pool: pool._ledger.order.append(0),
        lambda pool: setattr(pool._ledger, "idle", 0),
        lambda pool: pool._jobs.clear(),
        lambda pool: pool._jobs.update({9: pool._jobs[1]}),
        lambda pool: pool._jobs.update({1: pool._jobs[1]._replace(parts=[])}),
        lambda pool: pool._jobs.update({1: pool._jobs[1]._replace(parts=[(1, 1, 0, 2)])}),
        lambda pool: setattr(pool, "_usable", 0),
    ],
)
def test_check(spoil):
    pool = pool_of()
    pool.alloc(1, slots(1))
    pool.check()
    spoil(pool)
    with pytest.raises(AssertionError):
        pool.check()


def test_a_pool_reads_like_a_set_of_all_there_is():
    pool = Rv1Pool(
        {
            "version": 1,
            "execution": {
                "R_lite": [{"rank": "0-3", "children": {"core": "0-1", "gpu": "0"}}],
                "nodelist": ["n[0-3]"],
                "properties": {"big": "1-2"},
            },
        }
    )
    assert (pool.nnodes, pool.ncores, pool.ngpus, str(pool.nodelist)) == (4, 8, 4, "n[0-3]")
    assert pool.copy_constraint({"properties": ["big"]}).dumps() == "rank[1-2]/core[0-1],gpu0"
    assert pool.diff(pool.copy_ranks("0")).dumps() == "rank[1-3]/core[0-1],gpu0"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pool.nothing
