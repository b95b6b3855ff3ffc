"""FlatPool against the suite for pools."""

from __future__ import annotations

from fluxplug.testing import FlatPool, strategies
from fluxplug.testing.contracts import PoolContract


class TestFlatPool(PoolContract):
    machines = strategies.one_node()
    interchangeable = strategies.one_node()

    def make_pool(self, R, clock):  # noqa: N803
        return FlatPool(R, clock=clock)
