"""docs/jobspec.md against the Python API: every option and factory is there, and nothing is stale. What it shows is run by test_readme."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from fluxplug.job import Jobspec, JobspecV1

PAGE = (Path(__file__).parents[2] / "docs" / "jobspec.md").read_text(encoding="utf-8")
OWN = {"self", "args", "prog", "_preinit", "kwargs"}


def section(title):
    return PAGE.split(f"### {title}\n")[1].split("\n#")[0]


def test_every_option_is_documented():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section("Options"), flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert named == set(inspect.signature(JobspecV1.apply_options).parameters) - OWN


def test_every_factory_and_property_is_documented():
    text = section("Which factory")
    own = {name: value for cls in (Jobspec, JobspecV1) for name, value in vars(cls).items() if name[0] != "_"}
    named = set(re.findall(r"`([a-z_]+)", text))
    made = {name for name, value in own.items() if isinstance(value, classmethod)} - {"from_dict"}
    assert made <= named
    aliases = {"input", "output", "error"}
    assert {name for name, value in own.items() if isinstance(value, property)} - aliases <= named
    assert [name for name in re.findall(r"`(from_\w+|per_\w+)", text) if name not in own] == []
