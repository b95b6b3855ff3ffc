"""The graph pool keeps the pool contract, under each kind of policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug_pool_graph.pool import GraphPool

from fluxplug.testing.contracts import PoolContract

if TYPE_CHECKING:
    from fluxplug.clock import Clock


class GraphContract(PoolContract):
    """One match policy."""

    policy = "first"

    def make_pool(self, R: dict[str, Any], clock: Clock) -> GraphPool:  # noqa: N803
        return GraphPool(R, clock=clock, match_policy=self.policy)


class TestFirst(GraphContract):
    pass


class TestLow(GraphContract):
    policy = "low"
    examples = 15


class TestHinode(GraphContract):
    policy = "hinode"
    examples = 15


class TestLocality(GraphContract):
    policy = "locality"
    examples = 15


class TestVariation(GraphContract):
    policy = "variation"
    examples = 15
