"""Rv1Pool against the obvious model, over random machines and histories."""

from __future__ import annotations

import math

import pytest
from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from fluxplug.clock import ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource import ResourceCount, ResourceRequest, Rv1Set
from fluxplug.values.idset import IDset


class Model:
    """Ranks are {rank: [free cores, free GPUs]}; `total` is what they have in all; jobs are {id: {rank: (cores, GPUs)}}."""

    def __init__(self, total):
        self.total = {rank: (frozenset(c), frozenset(g)) for rank, (c, g) in total.items()}
        self.free = {rank: (set(c), set(g)) for rank, (c, g) in total.items()}
        self.up = set(total)
        self.present = set(total)
        self.jobs = {}

    def candidates(self, match):
        ranks = [rank for rank in sorted(self.present & self.up) if match(rank)]
        return sorted(ranks, key=lambda rank: (-len(self.free[rank][0]), -len(self.free[rank][1])))

    def fits(self, cores, gpus, slots):
        """How many slots cores and GPUs make."""
        size, gpu = slots
        return min(len(cores) // size, len(gpus) // gpu if gpu else math.inf)

    def feasible(self, ask, match):
        ranks = [self.total[rank] for rank in self.present if match(rank)]
        size, gpu = ask["size"], ask["gpu"]
        if ask["nodes"]:
            slots = ask["slots"][0]
            return sum(self.fits(c, g, (size * slots, gpu * slots)) >= 1 for c, g in ranks) >= ask["nodes"][0]
        return sum(self.fits(c, g, (size, gpu)) for c, g in ranks) >= ask["slots"][0]

    def choose(self, ask, match):
        """{rank: (cores, GPUs)} and the slots, or None."""
        size, gpu = ask["size"], ask["gpu"]
        chosen, granted = {}, 0
        least, most = ask["nodes"] or ask["slots"]
        most = math.inf if most is None else most
        each = ask["slots"][0] if ask["nodes"] else 1
        for rank in self.candidates(match):
            cores, gpus = sorted(self.free[rank][0]), sorted(self.free[rank][1])
            slots = self.fits(cores, gpus, (size * each, gpu * each))
            if ask["exclusive"] and (set(cores), set(gpus)) != self.total[rank]:
                slots = 0
            slots = int(min(slots, 1 if ask["nodes"] else most - granted))
            if slots and granted < most:
                n = slots * each
                chosen[rank] = (cores, gpus) if ask["exclusive"] else (cores[: n * size], gpus[: n * gpu])
                granted += slots
        if granted < least:
            return None
        return chosen, granted * each

    def take(self, jobid, chosen):
        self.jobs[jobid] = {rank: (set(c), set(g)) for rank, (c, g) in chosen.items()}
        for rank, (cores, gpus) in chosen.items():
            assert self.free[rank][0] >= set(cores)
            assert self.free[rank][1] >= set(gpus)
            self.free[rank] = (self.free[rank][0] - set(cores), self.free[rank][1] - set(gpus))

    def give(self, jobid, ranks=None):
        held = self.jobs[jobid]
        for rank in sorted(held) if ranks is None else ranks:
            cores, gpus = held.pop(rank)
            self.free[rank] = (self.free[rank][0] | cores, self.free[rank][1] | gpus)
        if not set(held) & self.present:
            for rank, (cores, gpus) in held.items():
                self.free[rank] = (self.free[rank][0] | cores, self.free[rank][1] | gpus)
            del self.jobs[jobid]


KINDS = [(range(4), range(2)), (range(4), ()), ((5, 6, 9, 11), (3, 4)), (range(6), range(1)), (range(1), ())]
counts = st.tuples(st.integers(1, 5), st.one_of(st.none(), st.integers(0, 4))).map(
    lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
)
fixed = st.integers(1, 5).map(lambda n: (n, n))
asks = st.fixed_dictionaries(
    {
        "nodes": st.one_of(st.none(), fixed, counts),
        "slots": st.one_of(fixed, counts),
        "size": st.integers(1, 4),
        "gpu": st.sampled_from([0, 0, 0, 1, 2]),
        "exclusive": st.booleans(),
        "constraint": st.sampled_from([None, None, None, "big", "^big"]),
        "duration": st.sampled_from([0.0, 10.0]),
    }
).map(lambda ask: ask | {"exclusive": ask["exclusive"] and ask["nodes"] is not None})


def machine(kinds, first=0, gap=1):
    ranks = range(first, first + gap * len(kinds), gap)
    lite = [
        {"rank": str(rank), "children": {"core": str(IDset(KINDS[kind][0])), "gpu": str(IDset(KINDS[kind][1]))}}
        for rank, kind in zip(ranks, kinds, strict=True)
    ]
    execution = {
        "R_lite": lite,
        "nodelist": [",".join(f"n{rank}" for rank in ranks)],
        "properties": {"big": str(IDset(list(ranks)[::2])), "+q": str(IDset(list(ranks)))},
    }
    return {"version": 1, "execution": execution}, {rank: KINDS[kind] for rank, kind in zip(ranks, kinds, strict=True)}


def request_of(ask):
    nodes = ResourceCount(*ask["nodes"]) if ask["nodes"] else None
    constraint = {"properties": [ask["constraint"]]} if ask["constraint"] else None
    return ResourceRequest(
        nodes, ResourceCount(*ask["slots"]), ask["size"], ask["gpu"], ask["duration"], constraint, ask["exclusive"]
    )


def held(found):
    return {
        rank: (set(IDset.from_mask(cores)), set(IDset.from_mask(gpus))) for rank, (cores, gpus) in found.nodes.items()
    }


class PoolMachine(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    @initialize(
        kinds=st.one_of(
            st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=7),
            st.tuples(st.integers(1, 7), st.integers(0, len(KINDS) - 1)).map(lambda p: [p[1]] * p[0]),
        ),
        first=st.sampled_from([0, 0, 3]),
        gap=st.sampled_from([1, 1, 5]),
    )
    def begin(self, kinds, first, gap):
        document, total = machine(kinds, first, gap)
        self.clock = ManualClock(100)
        self.pool = Rv1Pool(document, clock=self.clock)
        self.model = Model(total)
        self.big = set(sorted(total)[::2])
        self.ends = {}
        self.number = 0

    def match(self, ask):
        return {
            None: lambda _: True,
            "big": self.big.__contains__,
            "^big": lambda rank: rank not in self.big,
        }[ask["constraint"]]

    @rule(target=jobs, ask=asks, by_copy=st.booleans())
    def alloc(self, ask, by_copy):
        self.number += 1
        jobid = self.number
        request, match = request_of(ask), self.match(ask)
        before = self.pool.generation
        expected = self.model.choose(ask, match)
        if not self.model.feasible(ask, match):
            assert expected is None
            with pytest.raises(InfeasibleRequest):
                self.pool.check_feasibility(request)
            with pytest.raises(InfeasibleRequest):
                self.pool.alloc(jobid, request)
            return None
        self.pool.check_feasibility(request)
        if expected is None:
            with pytest.raises(InsufficientResources):
                self.pool.alloc(jobid, request)
            assert self.pool.generation == before
            return None
        if by_copy:  # a copy answers alike and touches nothing
            assert held(self.pool.copy().alloc(jobid, request)) == {
                r: (set(c), set(g)) for r, (c, g) in expected[0].items()
            }
        got = self.pool.alloc(jobid, request)
        chosen, nslots = expected
        assert (got.nslots, got.nnodes) == (nslots, len(chosen))
        assert got.ncores == sum(len(cores) for cores, _ in chosen.values())
        assert got.ngpus == sum(len(gpus) for _, gpus in chosen.values())
        assert set(got.ranks) == set(chosen)
        assert held(got) == {rank: (set(cores), set(gpus)) for rank, (cores, gpus) in chosen.items()}
        assert "+q" not in got.property_ranks
        assert self.pool.generation > before
        self.model.take(jobid, chosen)
        self.ends[jobid] = self.clock.now() + ask["duration"] if ask["duration"] else math.inf
        return jobid, got

    @rule(job=consumes(jobs), how=st.sampled_from(["all", "R", "document", "none"]), final=st.booleans())
    def free(self, job, how, final):
        if job is None or job[0] not in self.model.jobs:
            return
        jobid, _ = job
        rest = self.pool._job_state[jobid][1]
        argument = {"all": None, "none": None, "R": rest, "document": rest.to_dict()}[how]
        self.pool.free(jobid, argument, final=final)
        self.model.give(jobid)
        self.ends.pop(jobid)

    @rule(job=jobs, data=st.data())
    def partial(self, job, data):
        if job is None or job[0] not in self.model.jobs:
            return
        jobid = job[0]
        mine = sorted(self.model.jobs[jobid])
        ranks = data.draw(st.lists(st.sampled_from(mine), unique=True, max_size=len(mine) - 1))
        part = self.pool._job_state[jobid][1].copy_ranks(ranks)
        left = set(mine) - set(ranks)
        if left & self.model.present:
            with pytest.raises(ValueError, match="final free"):
                self.pool.free(jobid, part, final=True)
        self.pool.free(jobid, part)
        self.model.give(jobid, ranks)
        if jobid not in self.model.jobs:
            self.ends.pop(jobid)

    @rule(job=jobs)
    def free_too_much(self, job):
        if job is None or job[0] not in self.model.jobs:
            return
        others = Rv1Set({"version": 1, "execution": {"R_lite": [{"rank": "0-99", "children": {"core": "0-63"}}]}})
        before = self.pool.generation
        with pytest.raises(ValueError, match="does not hold"):
            self.pool.free(job[0], others)
        inside = self.pool.to_set()
        if inside.nnodes and any(held(inside)[rank] != self.model.jobs[job[0]].get(rank) for rank in inside.nodes):
            with pytest.raises(ValueError, match="does not hold"):
                self.pool.free(job[0], inside, final=True)
        assert self.pool.generation == before

    @rule(target=jobs, job=consumes(jobs), again=st.booleans())
    def restart(self, job, again):
        """What a job holds is forgotten with the pool and entered again."""
        if job is None or job[0] not in self.model.jobs:
            return None
        jobid, got = job
        rest = self.pool._job_state[jobid][1]
        if set(rest.nodes) - self.model.present:
            return job
        self.pool.free(jobid)
        rest.set_expiration(0 if self.ends[jobid] == math.inf else self.ends[jobid])
        self.pool.register_alloc(jobid, rest.to_dict() if again else rest)
        with pytest.raises(ValueError, match="already holds"):
            self.pool.register_alloc(jobid, rest)
        with pytest.raises(ValueError, match="another job holds"):
            self.pool.register_alloc(-5, rest)
        return jobid, got

    @rule(data=st.data(), up=st.booleans())
    def mark(self, data, up):
        ranks = data.draw(st.lists(st.sampled_from(sorted(self.model.total)), unique=True))
        whole = data.draw(st.booleans())
        ids = "all" if whole else str(IDset([*ranks, 77]))
        (self.pool.mark_up if up else self.pool.mark_down)(ids)
        changed = set(self.model.total) if whole else set(ranks)
        self.model.up = self.model.up | changed if up else self.model.up - changed

    @rule(data=st.data())
    def remove(self, data):
        rank = data.draw(st.sampled_from(sorted(self.model.total)))
        self.pool.remove_ranks(str(rank))
        self.model.present.discard(rank)
        for jobid in [jobid for jobid, mine in self.model.jobs.items() if not set(mine) & self.model.present]:
            # Nothing that anybody can name is left to it, but it still holds it: until it is freed, all the same.
            assert jobid in dict(self.pool.job_end_times())

    @rule(seconds=st.integers(0, 20))
    def wait(self, seconds):
        self.clock.time += seconds

    @rule(job=jobs, end=st.sampled_from([0.0, 500.0]))
    def new_end(self, job, end):
        if job is None or job[0] not in self.model.jobs:
            return
        self.pool.update_expiration(job[0], end)
        self.ends[job[0]] = end or math.inf

    @invariant()
    def accounts_agree(self):
        if not hasattr(self, "pool"):
            return
        self.pool.check()
        model = self.model
        assert {jobid: end or math.inf for jobid, end in self.pool.job_end_times()} == self.ends
        expected = {}
        for mine in model.jobs.values():
            for rank in set(mine) & model.present:
                cores, gpus = expected.get(rank, (set(), set()))
                expected[rank] = (cores | mine[rank][0], gpus | mine[rank][1])
        assert held(self.pool.copy_allocated()) == expected
        assert set(self.pool.copy_down().ranks) == model.present - model.up
        assert held(self.pool.to_set()) == {
            r: (set(c), set(g)) for r, (c, g) in model.total.items() if r in model.present
        }
        assert {r for r, info in self.pool._ranks.items() if info["up"]} == model.present & model.up


PoolMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestPool = PoolMachine.TestCase
