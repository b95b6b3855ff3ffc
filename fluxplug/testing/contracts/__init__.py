"""Contract suites: what every resource pool and every queue policy must keep, as tests for a plugin's own tests to subclass.

    from fluxplug.testing.contracts import PolicyContract, PoolContract

    class TestFair(PolicyContract):
        policy = Fair

    class TestRacks(PoolContract):
        def make_pool(self, R, clock):
            return Racks(R, clock=clock)

They need pytest and hypothesis (`pip install fluxplug[test]`). docs/testing.md says what each test checks.
"""

from __future__ import annotations

import pytest

# A failing assert then shows its values, as in a test file; so the imports come after it.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("books", "life", "policy", "pool")))

from fluxplug.testing.contracts.policy import PolicyContract  # noqa: E402
from fluxplug.testing.contracts.pool import PoolContract  # noqa: E402

__all__ = ["PolicyContract", "PoolContract"]
