"""The slow matcher itself: its planners and its sort against simpler ones, and what must hold of any history of jobs."""

import errno

import pytest
from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.filters import parse_filters
from fluxplug_pool_graph.jobspec import Count, Request, Resource
from fluxplug_pool_graph.matcher import Operation, Options, Verdict
from fluxplug_pool_graph.policies import POLICIES
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import SlowMatcher
from slow.planner import Filter, Planner, RefusedError
from slow.sorting import introsort

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10), st.integers(0, 4), st.booleans()), max_size=12)


@given(SPANS)
def test_a_planner_is_a_total_less_what_is_booked(spans):
    planner = Planner(8)
    booked = {}
    for start, duration, amount, keep in spans:
        try:
            span = planner.add(start, duration, amount)
        except RefusedError:
            continue
        booked[span] = (start, start + duration, amount)
        if not keep:
            planner.remove(span)
            del booked[span]
    for time in range(32):
        used = sum(amount for start, end, amount in booked.values() if start <= time < end)
        assert planner.available(time, 1) == 8 - used
    assert set(planner.times) == {0, *(time for start, end, _ in booked.values() for time in (start, end))}
    for span in list(booked):
        planner.remove(span)
    assert (planner.times, planner.remaining) == ([0], {0: 8})


def test_a_planner_refuses():
    planner = Planner(2)
    for question, code in [((0, 0, 1), errno.EINVAL), ((2**63 - 2, 5, 1), errno.ERANGE), ((0, 5, 3), errno.ERANGE)]:
        with pytest.raises(RefusedError) as caught:
            planner.fits(*question)
        assert caught.value.code == code


def test_gains_reach_the_first_point_alone_and_losses_all():
    planner = Planner(4)
    planner.add(5, 5, 1)
    planner.resize(6)
    assert [planner.remaining[time] for time in (0, 5, 10)] == [6, 3, 4]
    planner.resize(2)
    assert [planner.remaining[time] for time in (0, 5, 10)] == [2, 0, 0]


def test_the_planners_of_a_filter_have_the_same_points():
    counted = Filter({"core": 8, "gpu": 2})
    span = counted.add(10, 5, {"core": 3, "memory": 9})
    assert counted.planners["gpu"].times == [0, 10, 15]
    assert counted.times_after(0) == [10, 15]
    assert counted.booked(span) == {"core": 3, "gpu": 0}
    assert not counted.reduce(span, {"core": 1})
    assert counted.reduce(span, {"core": 2})
    assert counted.times_after(0) == []


@given(st.lists(st.integers(0, 5), max_size=16))
def test_short_sorts_are_stable(values):
    pairs = list(enumerate(values))
    introsort(pairs, lambda a, b: a[1] > b[1])
    assert pairs == sorted(enumerate(values), key=lambda pair: -pair[1])


@given(st.lists(st.integers(), min_size=17, max_size=200))
def test_long_sorts_sort(values):
    mine = list(values)
    introsort(mine, lambda a, b: a < b)
    assert mine == sorted(values)


def test_where_equals_end_up():
    """As libstdc++'s std::sort leaves 20 equals."""
    places = list(range(20))
    introsort(places, lambda *_: False)
    assert places == [10, 19, 18, 17, 16, 15, 14, 13, 12, 11, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def machine(nodes=2, sockets=2, cores=3):
    """A cluster; nodes have ranks, and a memory of size 4."""
    made = Description([Vertex("cluster", "c", "c0", 0, 0, paths={"containment": "/c0"})], types=["memory"])

    def add(parent, kind, number, rank, size=1):
        v = len(made.vertices)
        path = f"{made.vertices[parent].paths['containment']}/{kind}{number}"
        made.vertices.append(Vertex(kind, kind, f"{kind}{number}", number, v, rank, size, paths={"containment": path}))
        made.edges.append(Edge(parent, v))
        return v

    for rank in range(nodes):
        node = add(0, "node", rank, rank)
        for number in range(sockets):
            socket = add(node, "socket", number, rank)
            for core in range(cores):
                add(socket, "core", number * cores + core, rank)
        add(node, "memory", 0, rank, 4)
    return made


def entry(kind, count, *children, **more):
    return Resource(kind, Count(count, count), children=children, **more)


def slot(count, *children):
    return entry("slot", count, *children, label="s")


def matcher(policy="low", filters="ALL:core,ALL:node", **more):
    return SlowMatcher(machine(), Options(POLICIES[policy], parse_filters(filters), **more))


def ask(over, resources, jobid=1, operation=Operation.ALLOCATE, duration=60):
    return over.match(operation, Request(tuple(resources), duration), jobid)


def names(over, outcome):
    return [(over.description.vertices[t.vertex].name, t.amount, t.exclusive) for t in outcome.taken]


def test_what_a_slot_takes():
    over = matcher()
    outcome = ask(over, [entry("node", 1, slot(1, entry("socket", 1, entry("core", 2))))])
    assert names(over, outcome) == [
        ("core0", 1, True),
        ("core1", 1, True),
        ("socket0", 1, True),
        ("node0", 1, False),
        ("c0", 1, False),
    ]


def test_pools_are_never_split():
    over = matcher()
    outcome = ask(over, [slot(1, entry("memory", 1))])
    assert names(over, outcome)[0] == ("memory0", 4, True)


def test_a_level_that_is_left_out_below_a_match():
    """12.3: the walk succeeds, the commit has nothing; unless the node is taken whole."""
    over = matcher()
    skipping = [entry("node", 1, slot(1, entry("core", 1)))]
    assert ask(over, skipping, operation=Operation.SATISFIABILITY).verdict is Verdict.DONE
    assert ask(over, skipping).verdict is Verdict.EMPTY
    assert ask(over, [entry("node", 1, slot(1, entry("core", 1)), exclusive=True)]).verdict is Verdict.DONE


def test_nothing_exclusive_takes_nothing():
    over = matcher()
    assert ask(over, [entry("node", 1, entry("socket", 1))]).verdict is Verdict.EMPTY
    assert not any(state.tags for state in over.graph.states)


def test_later_times():
    over = matcher()
    both = [slot(2, entry("node", 1))]
    ahead = Operation.ALLOCATE_ORELSE_RESERVE
    assert ask(over, both, 1).at == 0
    assert ask(over, both, 2).verdict is Verdict.BUSY
    assert (ask(over, both, 3, ahead).at, ask(over, [slot(1, entry("node", 1))], 4, ahead).at) == (60, 120)
    assert ask(over, [slot(3, entry("node", 1))], 5, ahead).verdict is Verdict.BUSY  # the quick check of 5.2
    assert ask(over, [slot(3, entry("socket", 2))], 5, ahead).verdict is Verdict.NEVER


REQUESTS = (
    (slot(1, entry("core", 1)),),
    (slot(2, entry("core", 2)),),
    (slot(1, entry("socket", 1)),),
    (slot(1, entry("node", 1)),),
    (entry("node", 1, slot(1, entry("socket", 1, entry("core", 2)), entry("memory", 3))),),
    (entry("node", 1, slot(1, entry("socket", 1)), exclusive=True),),
    (entry("cluster", 1, slot(2, entry("node", 1))),),
    (Resource("slot", Count(1, 4), label="s", children=(entry("core", 1),)),),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(REQUESTS), st.sampled_from(list(Operation)), st.integers(1, 3)),
        st.integers(0, 5),
    ),
    max_size=10,
)


@settings(max_examples=40)
@given(st.sampled_from(sorted(POLICIES)), st.booleans(), STEPS)
def test_any_history(policy, flexible, steps):
    """Nothing is held by two at a time, what is given back is as it was, and a failure takes nothing."""
    over = matcher(policy, flexible=flexible)
    held = {}
    for jobid, step in enumerate(steps, 1):
        if isinstance(step, int):
            for job in sorted(held)[step : step + 1]:
                assert over.cancel(job).verdict is Verdict.DONE
                del held[job]
            continue
        resources, operation, duration = step
        before = total(over)
        outcome = ask(over, resources, jobid, operation, duration)
        if outcome.verdict is Verdict.DONE and operation.commits:
            held[jobid] = outcome
            assert outcome.taken[-1].parent == -1
        else:
            assert total(over) == before
        if outcome.verdict is not Verdict.DONE:
            assert not outcome.taken
    spans = [
        (t.vertex, outcome.at, outcome.at + outcome.duration)
        for outcome in held.values()
        for t in outcome.taken
        if t.exclusive
    ]
    for number, (vertex, start, end) in enumerate(spans):
        assert not [s for s in spans[number + 1 :] if s[0] == vertex and s[1] < end and start < s[2]]
    for job in list(held):
        over.cancel(job)
    assert total(over) == total(matcher(policy))


def total(over):
    """Everything that is booked, as a value."""
    return [
        (
            state.plan.remaining,
            state.checker.remaining,
            {kind: planner.remaining for kind, planner in state.filter.planners.items()} if state.filter else None,
            sorted(state.tags),
            sorted(state.allocations),
            sorted(state.reservations),
        )
        for state in over.graph.states
    ]
