"""Fixtures for every test in the repository, the plugins' included."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable

# Machines differ, so no example has a deadline. Continuous integration tries the same examples every time, and reports the first
# that fails as it is: shrinking one can take minutes, and is done better at a desk.
settings.register_profile("fluxplug", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.load_profile("ci" if "CI" in os.environ else "fluxplug")

ROOT = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("FLUXPLUG_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded vectors and logs; tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no recorded data at {SHARED} (set FLUXPLUG_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def vectors(shared: Path) -> Callable[[str], Any]:
    """Load one recorded vector file by its stem."""

    def load(stem: str) -> Any:
        return json.loads((shared / "reference" / "vectors" / f"{stem}.json").read_text(encoding="utf-8"))

    return load
