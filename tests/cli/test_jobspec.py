from __future__ import annotations

import argparse
import io
import json
import sys

import pytest

from fluxplug.cli import jobspec as command

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
