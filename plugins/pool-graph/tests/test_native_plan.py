"""A copy of the matcher in C answers as the original, and neither feels what happens to the other.

That the plans themselves are right is tested in C (csrc/tests/test_plan.c). FLUXPLUG_SLOW=1 tries many more.
"""

import json
import os

from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.filters import parse_filters
from fluxplug_pool_graph.jobspec import Count, Request, Resource
from fluxplug_pool_graph.matcher import Options
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.policies import POLICIES
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import racks

from fluxplug.errors import FluxplugError

EXAMPLES = 3000 if os.environ.get("FLUXPLUG_SLOW") else 300


def entry(kind, count, *children, **more):
    return Resource(kind, Count(count, count), children=children, **more)


def slot(count, *children):
    return entry("slot", count, *children, label="s")


SHAPES = [
    slot(1, entry("core", 1)),
    slot(3, entry("core", 1)),
    slot(1, entry("node", 1)),
    slot(4, entry("node", 1)),
    entry("node", 2, slot(1, entry("core", 1), entry("gpu", 1))),
    entry("node", 1, slot(1, entry("core", 1)), exclusive=True),
    slot(1, entry("rack", 1)),
    entry("gpu", 2, exclusive=True),
]
SHAPE, JOB = st.integers(0, len(SHAPES) - 1), st.integers(1, 6)
FIRST, SPAN, LENGTH = st.integers(0, 20), st.integers(0, 20), st.integers(1, 10)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("find"), SHAPE, JOB, FIRST, SPAN, LENGTH),
        st.tuples(st.just("find_amounts"), SHAPE, JOB, FIRST, SPAN, LENGTH),
        st.tuples(st.just("bound"), SHAPE, JOB, FIRST, SPAN, LENGTH),
        st.tuples(st.just("room"), SHAPE, FIRST),
        st.tuples(st.just("feasible"), SHAPE),
        st.tuples(st.just("lift"), JOB),
        st.tuples(st.just("put_back"), JOB, FIRST, LENGTH),
        st.tuples(st.just("rename"), JOB, JOB),
        st.tuples(st.just("cancel"), JOB),
        st.tuples(st.just("enter"), JOB, JOB, FIRST, LENGTH),
        st.tuples(st.just("set_up"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("set_now"), st.integers(1, 5)),
    ),
    max_size=15,
)


class Life:
    """A matcher, the present, and when what jobs hold ends: nobody is booked until a time that has passed."""

    def __init__(self, matcher, now=0, ends=None):
        self.matcher, self.now, self.ends = matcher, now, dict(ends or {})

    def copy(self):
        return Life(self.matcher.copy(), self.now, self.ends)

    def run(self, requests, step):
        """What comes of a step: an answer, or the name of an error."""
        try:
            answer = self.do(requests, *step)
        except FluxplugError as error:
            answer = type(error).__name__
        self.matcher.core.check()
        return answer

    def do(self, requests, what, *rest):
        core = self.matcher.core
        if what in ("find", "find_amounts", "bound"):
            shape, jobid, first, span, length = rest
            first += self.now
            at = getattr(core, what)(requests[shape], jobid, first, first + span, length)
            if what != "bound" and at is not None:
                self.ends[jobid] = at + length
            return at
        if what == "put_back":
            jobid, start, length = rest
            done = core.put_back(jobid, self.now + start, length)
            if done:
                self.ends[jobid] = self.now + start + length
            return done
        if what == "enter":
            jobid, other, start, length = rest
            done = core.enter(jobid, self.now + start, length, core.units(other) or [1, 0, 0, 0])
            if done:
                self.ends[jobid] = self.now + start + length
            return done
        if what == "rename":
            core.rename(*rest)
            self.ends[rest[1]] = self.ends.pop(rest[0])
            return None
        if what == "set_now":
            self.now += rest[0]
            core.set_now(self.now)
            return [self.do(requests, "cancel", jobid) for jobid, end in sorted(self.ends.items()) if end <= self.now]
        if what == "cancel":
            self.ends.pop(rest[0], None)
            return core.cancel(rest[0])
        if what == "set_up":
            return core.set_up(rest[0] % len(self.matcher.present), up=rest[1])
        if what == "room":
            return core.room(requests[rest[0]], self.now + rest[1])
        if what == "feasible":
            return core.feasible(requests[rest[0]])
        return core.lift(*rest)

    def state(self):
        """All that can be seen."""
        core = self.matcher.core
        held = {jobid: (core.holds(jobid), core.units(jobid)) for jobid in core.jobs()}
        return held, [(core.held(v), core.filter_of(v, None)) for v in self.matcher.present]


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1)),
    st.sampled_from(sorted(POLICIES)),
    STEPS,
    STEPS,
    STEPS,
)
def test_a_copy_lives_a_life_of_its_own(shape, policy, before, both, alone):
    graph = Graph.from_jgf(json.dumps(racks(*shape)))
    one = Life(CMatcher(graph, Options(POLICIES[policy], parse_filters("ALL:core,ALL:node,ALL:gpu"))))
    requests = [one.matcher.compile(Request((resource,))) for resource in SHAPES]
    for step in before:
        one.run(requests, step)
    two = one.copy()
    assert two.state() == one.state()
    for step in both:
        assert two.run(requests, step) == one.run(requests, step)
    assert two.state() == one.state()
    for here, there in ((one, two), (two, one)):
        seen = there.state()
        for step in alone:
            here.run(requests, step)
        there.matcher.core.check()
        assert there.state() == seen
    assert two.state() == one.state(), "both have come the same way"
