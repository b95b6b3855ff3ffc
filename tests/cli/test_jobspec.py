from __future__ import annotations

import argparse
import io
import json
import sys

import pytest

from fluxplug.cli import jobspec as command
from fluxplug.errors import PluginError

GOOD = {
    "version": 1,
    "resources": [{"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}],
    "tasks": [{"command": ["a"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}


@pytest.fixture
def run(capsys):
    def call(*words):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        code = command.run(parser.parse_args(["validate", *map(str, words)]))
        return code, *capsys.readouterr()

    return call


def test_all_files_are_reported(run, tmp_path):
    good, bad, missing = tmp_path / "good", tmp_path / "bad", tmp_path / "missing"
    good.write_text(json.dumps(GOOD))
    bad.write_text("version: 1\nresources:\n- {type: core, count: 0}\ntasks: []\nattributes: {}\n")
    code, out, err = run(bad, good, missing)
    assert code == 2
    assert out == f"{good}: valid (version 1)\n"
    assert err == (
        f"{bad}: resources[0].count: count must be at least 1, not 0\n{missing}: No such file or directory\n"
    )
    assert run(good) == (0, f"{good}: valid (version 1)\n", "")


def test_standard_input_and_v1(run, monkeypatch):
    text = json.dumps({**GOOD, "version": 2}).encode()

    def stdin():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    stdin()
    assert run("-") == (0, "-: valid (version 2)\n", "")
    stdin()
    assert run("--v1", "-") == (2, "", "-: version: version must be 1\n")


def test_a_fault_is_one_line_whatever_the_file_holds(run, tmp_path):
    path = tmp_path / "a\nb"
    path.write_text(json.dumps({**GOOD, "attributes": {"system": {"duration": 0, "environment": {"x\n\x1b[31m": 1}}}}))
    code, out, err = run(path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "environment.x\\n" in err


SITE = """
[plugins]
path = ["plugins"]
[queues.batch]
[queues.debug.policy.limits]
duration = "30m"
[policy.jobspec.defaults.system]
queue = "batch"
"""
HOOKS = """
from fluxplug.hookspecs import hookimpl

@hookimpl
def fluxplug_validate_jobspec(jobspec):
    if jobspec["attributes"]["system"].get("bank") == "none":
        raise ValueError("no bank is called none")

@hookimpl
def fluxplug_modify_jobspec(prog, args, jobspec):
    assert (prog, args) == ("validate", None)
    if jobspec["attributes"]["system"].get("bank") == "odd":
        raise RuntimeError("odd")
"""


def test_by_the_rules_of_a_site(run, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "rules.py").write_text(HOOKS)
    config = tmp_path / "sched.toml"
    config.write_text(SITE)

    def validate(**system):
        (tmp_path / "job").write_text(json.dumps({**GOOD, "attributes": {"system": {"duration": 3600, **system}}}))
        return run("--config", config, tmp_path / "job")

    name = tmp_path / "job"
    assert validate() == (0, f"{name}: valid (version 1), for queue batch\n", "")
    for system, told in (
        ({"queue": "debug"}, "requested duration (1h) exceeds policy limit of 30m for queue debug"),
        ({"queue": "q"}, "queue 'q' is not configured; queues: batch, debug"),
        ({"bank": "none"}, "no bank is called none"),
    ):
        assert validate(**system) == (2, "", f"{name}: refused: {told}\n")
    with pytest.raises(
        PluginError, match=r"^plugin 'rules' of .*: fluxplug_modify_jobspec .* failed: RuntimeError: odd"
    ):
        validate(bank="odd")
