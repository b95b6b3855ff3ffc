"""The tutorials of docs/, followed to the letter in one fresh environment: files, commands, and what they print.

Each tutorial begins in an empty folder, with fluxplug installed as README says and the tools for tests beside it. The blocks are those that
test_readme.py describes; here every command is run, the installing ones too.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = ("write-a-policy.md", "write-a-pool.md", "write-a-submission-plugin.md")


def _beside(path):
    """Another test file as a module: tests are no package."""
    spec = spec_from_file_location(f"tutorials_{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


readme = _beside(ROOT / "tests" / "docs" / "test_readme.py")
install = _beside(ROOT / "tests" / "e2e" / "test_install.py")


@pytest.fixture(scope="module")
def bin_(tmp_path_factory):
    """The commands of an environment with everything in the tree and the tools for tests."""
    folder = tmp_path_factory.mktemp("tutorials")
    env, core = folder / "env", folder / "csrc"
    # It is built where it lies: in a copy, for another worker may be building it too.
    shutil.copytree(ROOT / "csrc", core, ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"))
    install.run(f'"{install.PYTHON}" -m venv "{env}"', ROOT)
    plugins = " ".join(f'"{path}"' for path in [core, *install.DISTRIBUTIONS] if path != ROOT)
    install.run(f'"{env}/bin/pip" install -q -c constraints.txt ".[test]" {plugins}', ROOT)
    return env / "bin"


@pytest.mark.e2e
@pytest.mark.xdist_group("tutorials")  # all on one worker, so that the environment is made once
@pytest.mark.parametrize("name", TUTORIALS)
def test_followed_to_the_letter(name, bin_, tmp_path):
    # The seed makes what the contract suites try the same each time.
    variables = {
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "PYTEST_ADDOPTS": "--hypothesis-seed=1",
    }
    for block in readme.blocks(ROOT / "docs" / name):
        if block.title:
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        for command, expected in readme.commands(block):
            # What is shown may be an error; anything else has to work.
            out = install.run(f"exec 2>&1; {{ {command}; }}" + (" || :" if expected else ""), tmp_path, **variables)
            assert "Traceback" not in out
            if expected:
                assert readme.shows(expected, out.splitlines()), f"{name}:{block.line}: $ {command}\n{out}"


@pytest.mark.parametrize("name", TUTORIALS)
def test_shows_the_way_to_a_simulation(name):
    """Not a tutorial without its steps: files, an installation, tests and a simulation."""
    blocks = list(readme.blocks(ROOT / "docs" / name))
    titles = {block.title for block in blocks}
    assert {"pyproject.toml", "sched.toml"} <= titles
    assert any(title.startswith("tests/") for title in titles)
    words = [" ".join(command.split()[:2]) for block in blocks for command, _ in readme.commands(block)]
    looks = {"fluxplug submit", "fluxplug jobspec"} if "submission" in name else {"fluxplug plugins", "fluxplug config"}
    assert {"pip install", "pytest -q", "fluxplug simulate"} | looks <= set(words)
