"""The hook specifications: complete as a contract, in life-cycle order, and the same as the typed front."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import fluxplug
from fluxplug import hookspecs
from fluxplug.plugins import AXES, HOOKS, PREFIX, Plugins

PACKAGE = Path(fluxplug.__file__).parent
ORDER = ["register", "add_options", "modify_jobspec", "validate_jobspec", "job_", "pass_", "job_event", "shutdown"]


@pytest.mark.parametrize("name", HOOKS)
def test_each_says_when_and_what(name):
    doc = inspect.getdoc(getattr(hookspecs, name))
    assert "Called" in doc, "when, and how often"
    assert re.search(r"\breturns?\b|\barrive as\b", doc, re.IGNORECASE), "what it returns"
    given = inspect.signature(getattr(hookspecs, name)).parameters.keys() & {
        "job",
        "jobspec",
        "context",
        "started",
        "parser",
    }
    if given:
        assert re.search(
            r"must not change|may edit|must be left as|call `parser", " ".join(doc.split()), re.IGNORECASE
        ), "who may change what"


@pytest.mark.parametrize("name", HOOKS)
def test_each_has_types(name):
    signature = inspect.signature(getattr(hookspecs, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values())


def test_the_order_is_the_life_cycle():
    stages = [next(i for i, stage in enumerate(ORDER) if name[len(PREFIX) :].startswith(stage)) for name in HOOKS]
    assert stages[0] == 0
    assert stages[-1] == len(ORDER) - 1
    watching = HOOKS.index(PREFIX + "pass_begin")
    assert stages[:watching] == sorted(stages[:watching])
    assert HOOKS.index(PREFIX + "job_event") > watching


@pytest.mark.parametrize("name", [name for name in HOOKS if "register" not in name])
def test_the_typed_front_has_the_same_arguments(name):
    front = inspect.signature(getattr(Plugins, name.removeprefix(PREFIX)))
    assert list(front.parameters)[1:] == list(inspect.signature(getattr(hookspecs, name)).parameters)


def test_each_registration_hook_has_an_axis():
    assert [axis.hook for axis in AXES.values()] == [name for name in HOOKS if "register" in name]


def test_pluggy_is_touched_in_two_places():
    touching = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] == "pluggy" for name in names):
                touching.add(path.relative_to(PACKAGE).as_posix())
    assert touching == {"plugins.py", "hookspecs.py"}
