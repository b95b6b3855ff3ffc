"""fcfs against the suite for policies."""

from __future__ import annotations

from fluxplug_policy_fcfs import Fcfs

from fluxplug.testing import strategies
from fluxplug.testing.contracts import PolicyContract


class TestFcfs(PolicyContract):
    policy = Fcfs


class TestFcfsOnNodes(PolicyContract):
    policy = Fcfs
    pool = "rv1"
    machines = strategies.machines()
