"""Rv1Pool against the suite for pools, on machines of many kinds: each kind takes another way through its plan."""

from __future__ import annotations

from fluxplug_pool_rv1.pool import Rv1Pool
from hypothesis import strategies as st

from fluxplug.testing import strategies
from fluxplug.testing.contracts import PoolContract


class TestAnyMachine(PoolContract):
    """Several kinds of nodes, GPUs, properties, ranks with gaps, and jobs that ask for anything."""

    exact = False

    def make_pool(self, R, clock):  # noqa: N803
        return Rv1Pool(R, clock=clock)


class Kind(TestAnyMachine):
    """One kind of machine, without the tests by amount, which are the same for all."""

    interchangeable = None
    examples = 40


class TestOneNodeOfManyCores(Kind):
    """Promises bind cores and GPUs of the node."""

    exact = True
    machines = strategies.machines(nodes=(1, 1), cores=(1, 16), gpus=(0, 3))


class TestSingleCores(Kind):
    """Promises bind nodes of one class; constraints and properties split it."""

    exact = True
    machines = strategies.machines(nodes=(1, 10), cores=(1, 1), gpus=(0, 0))


class TestSharedNodes(Kind):
    """Nodes of several cores and GPUs with requests for parts of them: promises name nodes."""

    machines = strategies.machines(nodes=(2, 4), cores=(2, 6), gpus=(0, 2), alike=True, properties=False)

    def asks(self, machine):
        return strategies.asks(machine, exclusive=False, constraints=False, ranges=False)


class TestSeveralKinds(Kind):
    """Classes of nodes that differ in what they have and are called, with constraints."""

    machines = strategies.machines(nodes=(2, 6), cores=(1, 4), gpus=(0, 1))

    def asks(self, machine):
        return strategies.asks(machine, ranges=False)


class TestWholeNodes(Kind):
    """Requests for whole nodes alone: promises bind counts of classes."""

    exact = True
    machines = strategies.machines(nodes=(1, 8), cores=(1, 4), gpus=(0, 1))

    def asks(self, machine):
        count = st.integers(1, 8)
        limit = st.one_of(strategies.seconds(), st.just(0))
        return st.builds(lambda nodes, limit: {"nodes": nodes, "exclusive": True, "limit": limit}, count, limit)


class TestRanges(Kind):
    """Counts with a minimum and a maximum: what is granted beyond the minimum must not break a promise."""

    machines = strategies.machines(nodes=(1, 6), cores=(1, 4), gpus=(0, 1), alike=True)

    def asks(self, machine):
        return strategies.asks(machine, constraints=False)
