"""A newcomer's first minutes, in a copy of the tree under a path with spaces: README's installation, `make demo`, and what is packed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = getattr(sys, "_base_executable", sys.executable)  # not that of the tests' environment
DISTRIBUTIONS = sorted(path.parent for path in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")])
MAIN_JOB = "samples/lublin-64.swf --nodes 64 --policy fcfs --policy easy --policy conservative"


@pytest.fixture
def tree(tmp_path):
    """What a clone would have, and nothing that was installed or built."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, or no git")
    copy = tmp_path / "a fresh clone"
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def run(command, tree, **variables):
    """Run a shell command in the tree as a user would, outside of the tests' environment; return its output."""
    hidden = ("VIRTUAL_ENV", "PYTHON", "MAKE", "MFLAGS", "PYTEST", "VENV", "ARGS", "COVERAGE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment = {**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def command(path, script):
    """Make a command of a line of shell."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def shown(prefix):
    """The lines of README's output of the command that begins so, those that `...` stands for left out."""
    text = README.partition(f"$ {prefix}")[2].partition("```")[0]
    return [line for line in text.splitlines()[1:] if line != "..." and not line.startswith(("$", "report:"))]


@pytest.mark.e2e
def test_installed_as_the_readme_says(tree, tmp_path):
    install = re.search(r"^## Install$.*?^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)[1]
    assert "pip install" in install
    python = command(tmp_path / "bin" / "python3", f'exec "{PYTHON}" "$@"')
    listed = run(f"set -e\n{install}", tree, PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    assert all(
        re.search(rf" {name} ", listed) for name in ("rv1", "fcfs", "easy", "hybrid", "conservative", "swf", "html")
    )
    home = tmp_path / "home"  # from here on without the sources: what was installed must do
    home.mkdir()
    shutil.move(tree / "samples", home)
    for folder in ("fluxplug", "plugins"):
        shutil.rmtree(tree / folder)
    out = run(f'"{tree}/env/bin/fluxplug" simulate {MAIN_JOB} --report page.html --schedule {{policy}}.csv', home)
    assert set(shown("fluxplug simulate samples/lublin-64.swf")) <= set(out.splitlines())
    assert len((home / "easy.csv").read_text(encoding="utf-8").splitlines()) == 2001
    assert "<svg" in (home / "page.html").read_text(encoding="utf-8")


@pytest.mark.e2e
def test_make_demo(tree):
    out = run(f'make demo PYTHON="{PYTHON}"', tree)
    for command in ("fluxplug simulate", "fluxplug explain"):
        lines = shown(f"{command} samples/lublin-64.swf")
        assert lines
        assert set(lines) <= set(out.splitlines())
    page = tree / "out" / "demo.html"
    assert f"open {page}" in out
    assert page.stat().st_size > 10_000
    again = run("make demo", tree)
    assert "Installing" not in again
    live = "The same scheduler live"  # what follows has times and ids
    assert again[: again.index(live)] in out, "the same input gives the same output"
    assert "Canceled: not needed" in again
    assert "23 completed, 3 failed" in again
    (tree / "constraints.txt").touch()
    assert "Installing" in run("make demo PIP=true", tree)


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda path: path.name if path != ROOT else "core")
def test_packed(folder, tree):
    """A source archive has its distribution alone, the core's not the plugins; a wheel has what runs."""
    where = tree / folder.relative_to(ROOT)
    run(f'"{sys.executable}" -m hatchling build -d "{tree}/dist"', where)
    (archive,), (wheel,) = (list((tree / "dist").glob(ending)) for ending in ("*.tar.gz", "*.whl"))
    package = "fluxplug" if folder == ROOT else f"fluxplug_{folder.name.replace('-', '_')}"
    sources = {path.relative_to(folder).as_posix() for path in (folder / package).rglob("*") if path.is_file()}
    sources = {name for name in sources if "__pycache__" not in name and (where / name).exists()}
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    assert sources <= packed
    beside = {".gitignore", "pyproject.toml", "PKG-INFO", "README.md"} | (
        {"LICENSE", "CHANGELOG.md"} if folder == ROOT else set()
    )
    assert {name for name in packed - sources - beside if not name.startswith("tests/")} == set()
    assert folder != ROOT or not any(name.startswith("tests/") for name in packed)
    with zipfile.ZipFile(wheel) as file:
        installed = {name for name in file.namelist() if ".dist-info/" not in name}
    assert installed == sources


def test_versions_agree():
    """All distributions of the tree have one version, which the changelog knows or calls unreleased."""
    plugins = [
        tomli.loads((path / "pyproject.toml").read_text(encoding="utf-8"))
        for path in [ROOT / "csrc", *DISTRIBUTIONS]
        if path != ROOT
    ]
    from fluxplug import __version__

    assert {one["project"]["version"] for one in plugins} == {__version__}
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## (Unreleased|{re.escape(__version__)}\b)", changelog, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 3.9", "it is Python 3.9"),
        ('case "$2" in *venv*) exit 1;; esac; echo 3.11', "it has no venv"),
        ("exit 127", "it does not run"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_the_remedy(script, problem, tmp_path):
    fake = command(tmp_path / "my python" / "python3", script)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={fake}", f"VENV={tmp_path}/env"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert f"{fake}: {problem}" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "env").exists()


def test_an_old_python3_is_passed_over_for_a_newer_one(tmp_path):
    bin_ = command(tmp_path / "bin" / "python3", "echo 3.9").parent
    command(bin_ / "python3.12", f'exec "{PYTHON}" "$@"')
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    command(bin_ / "python3.13", "exit 127")  # a machine's own would come first
    found = subprocess.run([ROOT / ".ci" / "find-python"], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "python3.12\n"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="newer than what make test-all looks for")
def test_the_pythons_of_the_machine_are_found(tmp_path):
    version = "{}.{}".format(*sys.version_info)
    bin_ = command(tmp_path / "bin" / f"python{version}", f'exec "{PYTHON}" "$@"').parent
    environment = {"HOME": str(tmp_path), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    found = subprocess.run(
        [ROOT / ".ci" / "find-python", "--all"], env=environment, capture_output=True, text=True, check=True
    )
    assert f"{version}\tpython{version}" in found.stdout.splitlines()
