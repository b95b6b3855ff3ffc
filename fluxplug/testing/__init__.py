"""For those who write plugins, and for our own tests: scenarios, builders, fakes, strategies and contract suites.

    scenarios   a small simulation in five lines, checked after every event
    builders    R and jobspec documents in a line each
    fakes       a pass in memory, to test a policy alone
    flat        the smallest real pool
    strategies  hypothesis: machines, jobspecs, whole workloads
    contracts   suites for a plugin's tests to subclass: PoolContract, PolicyContract

`strategies` and `contracts` need hypothesis, and are imported by their own names; the rest is here. docs/testing.md shows all of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug.testing.builders import R, jobspec
    from fluxplug.testing.fakes import FakePass, pending_job
    from fluxplug.testing.flat import FlatPool, FlatRequest
    from fluxplug.testing.scenarios import Scenario, Step, scenario

__all__ = ["FakePass", "FlatPool", "FlatRequest", "R", "Scenario", "Step", "jobspec", "pending_job", "scenario"]

_HOME = {
    "FakePass": "fakes",
    "FlatPool": "flat",
    "FlatRequest": "flat",
    "R": "builders",
    "Scenario": "scenarios",
    "Step": "scenarios",
    "jobspec": "builders",
    "pending_job": "fakes",
    "scenario": "scenarios",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"fluxplug.testing.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
