"""easy, hybrid and conservative against the suite for policies, on a pool of one amount and on nodes of all kinds."""

from __future__ import annotations

from fluxplug_policy_backfill import Conservative, Easy, Hybrid

from fluxplug.testing import strategies
from fluxplug.testing.contracts import PolicyContract


class TestEasy(PolicyContract):
    policy = Easy


class TestHybrid(PolicyContract):
    policy = Hybrid
    params = {"reservation_depth": 2}  # noqa: RUF012 - a constant


class TestConservative(PolicyContract):
    policy = Conservative


class TestEasyOnNodes(TestEasy):
    pool = "rv1"
    machines = strategies.machines()


class TestHybridOnNodes(TestHybrid):
    pool = "rv1"
    machines = strategies.machines()


class TestConservativeOnNodes(TestConservative):
    pool = "rv1"
    machines = strategies.machines()
