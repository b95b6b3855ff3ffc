"""The commands and files that README.md and docs/ show: each is run as it stands, and shown output is right.

    ```sh                     lines to run
    ```console                lines after `$ ` are run; the others are their output, in order, `...` standing for any lines, or any text in a line
    ```LANGUAGE title="X"     the file X, for the commands of the same page

A block without a language whose lines begin with `fluxplug COMMAND` counts as `sh`. All blocks of a page share a folder that begins as
the repository's samples/ and conf/, with a sched.toml, and a log as LOG.swf.gz. The commands of docs/commands.md find an instance. Pages that tests of their own follow are left out, and what installs is tested in tests/e2e.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from fluxplug.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
FOLLOWED_ELSEWHERE = {"write-a-policy.md", "write-a-pool.md", "write-a-submission-plugin.md"}
PAGES = [ROOT / "README.md", *sorted(p for p in ROOT.glob("docs/*.md") if p.name not in FOLLOWED_ELSEWHERE)]
LINKING = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")]
INSTALLS = re.compile(r"make\b|git clone|\S*pip install|python3? -m venv|env/bin/")


class Block(NamedTuple):
    line: int
    language: str
    title: str
    text: str


def blocks(page):
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, flags=re.MULTILINE | re.DOTALL):
        yield Block(1 + text.count("\n", 0, found.start()), found[1], found[2] or "", found[3])


def commands(block):
    """(command, lines of output shown) of a block to be run; nothing for any other."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "sh":
        return [(line, []) for line in lines if line.strip() and not line.startswith("#")]
    if block.language == "console":
        found = []
        for line in lines:
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"line {block.line}: output before any command"
                found[-1][1].append(line)
        return found
    if not block.language:
        return [(line, []) for line in lines if re.match(rf"fluxplug ({'|'.join(COMMANDS)}) ", line)]
    return []


def shows(expected, lines):
    """Whether the output is as shown: the same lines, but for `...`."""
    pattern = "".join(
        "(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + "\n"
        for line in expected
    )
    return re.fullmatch(pattern, "".join(line.rstrip() + "\n" for line in lines)) is not None


RUNNABLE = [page for page in PAGES if any(commands(block) or block.title for block in blocks(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_commands_run_as_shown(page, tmp_path):
    for folder in ("samples", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "conf" / "sched.toml", tmp_path)
    (tmp_path / "LOG.swf.gz").write_bytes(gzip.compress((ROOT / "samples" / "lublin-64.swf").read_bytes()))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    with instance(tmp_path, environment) if page.name == "commands.md" else nullcontext():
        run_page(page, tmp_path, environment)


@contextmanager
def instance(tmp_path, environment):
    """Start an instance of two nodes, and let the environment say where it is."""
    command = ["fluxplug", "start", "--statedir", str(tmp_path / "state"), "--nodes", "2", "--cores", "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            environment["FLUXPLUG_URI"] = server.stdout.readline().strip()
            yield
        finally:
            server.terminate()


def run_page(page, tmp_path, environment):
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        for command, expected in commands(block):
            if INSTALLS.match(command):
                continue
            done = subprocess.run(
                ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            place = f"{page.name}:{block.line}: $ {command}\n{done.stdout}{done.stderr}"
            assert "Traceback" not in done.stderr, place
            if expected:
                assert shows(expected, (done.stdout + done.stderr).splitlines()), place
            else:
                assert done.returncode == 0, place


def test_pages_have_commands():
    assert ROOT / "README.md" in RUNNABLE
    assert sum(len(commands(block)) for block in blocks(ROOT / "README.md")) >= 5


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "index.md" or f"({page.name})" in index


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|#", target):
            path = page.parent / target.split("#")[0]
            assert path.exists(), f"{target} is missing"


def test_targets_of_make_that_pages_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split())
    for page in LINKING:
        for found in re.findall(
            r"(?:`|^)make(?: [A-Z]+=\S+)* ([a-z][a-z-]*(?: [a-z][a-z-]*)*)", page.read_text("utf-8"), re.MULTILINE
        ):
            assert set(found.split()) <= targets, f"{page.name}: make {found}"


@pytest.mark.parametrize(
    ("expected", "output", "right"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "a\nb\nc\n", False),
        (["a", "...", "c"], "a\nb\nb\nc\n", True),
        (["a", "...", "c"], "a\nc\n", True),
        (["...", "c"], "a\nb\n", False),
        (["a.c"], "abc\n", False),
    ],
)
def test_what_is_shown_is_compared(expected, output, right):
    assert shows(expected, output.splitlines()) is right


def test_the_reading_order_is_that_of_the_code():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {path.rstrip("/") for path in re.findall(r"`((?:fluxplug|plugins|tests)/[\w./-]*)`", text)}
    assert not {path for path in named if not (ROOT / path).exists()}, "what is named is there"
    for path in ROOT.glob("fluxplug/*"):
        place = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py" and path.name not in {"__init__.py", "__main__.py", "builtin.py", "suggest.py"}:
            assert place in named, "a module that no reader is sent to"
        if (path / "__init__.py").exists():
            assert any(f"{name}/".startswith(f"{place}/") for name in named), "a package that no reader is sent to"
